"""Runs a strategy uncompiled: the same functions, in plain Python, over the same memory as the compiled ones.

Values are numpy scalars, so that integers wrap and a division by zero is what it is in machine code.
"""

import ctypes
from typing import Any

import numpy as np

from engine.strategy.contract import CALLBACKS, EVENTS, INSTANCE, ORDERS, VIEWS
from engine.strategy.loader import Strategy


class FieldsFirst(np.record):  # type: ignore[misc]  # final in the stubs only
    """A record whose fields go before numpy's own attributes: a field may be called `size`, `mean` or `fill`."""

    def __getattribute__(self, name: str) -> Any:
        dtype = np.void.__getattribute__(self, "dtype")
        if name not in dtype.names:
            return np.void.__getattribute__(self, name)
        value = np.void.__getitem__(self, name)
        records = dtype[name].base
        return value if records.names is None else value.view(np.dtype((FieldsFirst, records)))


def records_at(address: int, dtype: "np.dtype[Any]", count: int, writeable: bool = False) -> Any:
    """Records in memory that others own, shape (count,), fields as attributes."""
    raw = (ctypes.c_char * (dtype.itemsize * count)).from_address(address)
    array: Any = np.frombuffer(memoryview(raw).cast("B"), dtype=np.dtype((FieldsFirst, dtype)))
    array.flags.writeable = writeable
    return array


class PlainGroup:
    """The instances of one strategy. `views` holds address and rows of each view, `memory` those of the group."""

    def __init__(
        self, strategy: Strategy, memory: dict[str, tuple[int, int]], views: dict[str, tuple[int, int]]
    ) -> None:
        state, params = strategy.state.dtype, strategy.params.dtype
        self.strategy = strategy
        self.instances = records_at(memory["instances"][0], INSTANCE, memory["instances"][1], writeable=True)
        self.states = records_at(memory["states"][0], state, memory["states"][1], writeable=True)
        self.params = records_at(memory["params"][0], params, memory["params"][1])
        self.orders = records_at(memory["orders"][0], ORDERS, 1, writeable=True)[0]
        self.event_address = memory["event"][0]
        self.views = {name: records_at(views[name][0], VIEWS[name], views[name][1]) for name in VIEWS}
        self.errors: dict[int, str] = {}  # strategy index -> what it raised last

    def call(self, callback_number: int, first: int, last: int, instrument: int, now_ns: int) -> None:
        """What the compiled wrapper does: one callback for the instances from `first` up to `last`."""
        callback = CALLBACKS[callback_number]
        function, names = self.strategy.callbacks[callback], self.strategy.arguments[callback]
        seen: dict[str, Any] = {name: self._row(name, instrument) for name in VIEWS if name != "account"}
        seen |= {"orders": self.orders, "now_ns": np.int64(now_ns)}
        event = EVENTS[callback]
        if event is not None:
            seen[event[0]] = records_at(self.event_address, event[1], 1)[0]
        with np.errstate(all="ignore"):
            for i in range(first, last):
                instance = self.instances[i]
                if instance.enabled == 0:
                    continue
                self.orders.instance = i
                self.orders.start = self.orders.count
                self.orders.dropped = 0
                seen["state"], seen["params"] = self.states[i], self.params[i]
                seen["account"] = self._row("account", int(instance.strategy))
                try:
                    function(*(seen[name] for name in names))
                except Exception as error:
                    instance.failed = 1
                    self.errors[int(instance.strategy)] = f"{callback}: {type(error).__name__}: {error}"
                instance.dropped = self.orders.dropped

    def _row(self, view: str, row: int) -> Any:
        rows = self.views[view]
        return rows[row if row < len(rows) else 0]

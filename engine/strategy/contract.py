"""What a strategy is: its callbacks, what they may ask for by name, and the records they see.

A strategy is a module of functions. Each is optional; each names what it wants to see, in any order:

    def on_book(state, params, book, account, orders): ...

    state       its own record, read and write; fields int64 or float64; zero before on_start
    params      its parameters, read-only
    book        BOOK_VIEW of its instrument          features    FEATURE_VIEW
    forecast    FORECAST_VIEW                        account     ACCOUNT_VIEW: its own position and working orders
    instrument  INSTRUMENT_FACTS                     orders      what place, cancel and replace write to
    now_ns      receive time of the message that caused the call, int64 ns UTC
    trade, bar, fill, order, regime, risk            what happened, in the callback of that name (EVENTS)

`State` and `Params` are numpy structured dtypes whose fields are int64 or float64 (numpy and numba disagree on
unsigned ones), or classes of annotated `int` and `float` fields, which mean the same:

    class Params:
        half_spread_ticks: int = 2
"""

import difflib
import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from engine.errors import Exit, UserError
from engine.stage import ACCOUNT_VIEW, BOOK_VIEW, FEATURE_VIEW, FORECAST_VIEW
from ipc.instruments import INSTRUMENT

Callback: TypeAlias = Callable[..., None]
Record: TypeAlias = Any  # a numpy or numba record: fields are attributes


def _int64_fields(*names: str) -> np.dtype[Any]:
    return np.dtype([(name, "<i8") for name in names])


TRADE = _int64_fields(
    "price_ticks", "quantity_lots", "side", "trade_id", "event_time_ns", "receive_time_ns"
)  # side: aggressor
BAR = _int64_fields(
    "start_time_ns",
    "end_time_ns",
    "open_price_ticks",
    "high_price_ticks",
    "low_price_ticks",
    "close_price_ticks",
    "volume_lots",
    "buy_lots",  # of which the aggressor bought
    "trades",
)
_REPORTED = ("side", "price_ticks", "quantity_lots", "remaining_lots", "tag", "event_time_ns", "receive_time_ns")
FILL = _int64_fields("order_id", "trade_id", *_REPORTED, "liquidity", "fee_atoms")  # liquidity: MAKER or TAKER
ORDER_EVENT = _int64_fields(
    "order_id", "report", *_REPORTED, "state", "refusal"
)  # report: REPORT_...; refusal: 0 is none
RISK = np.dtype([("number", "<i8"), ("value", "<f8"), ("receive_time_ns", "<i8")])

# Callback -> the name of what happened and its record; None: nothing beyond the views.
EVENTS: dict[str, tuple[str, np.dtype[Any]] | None] = {
    "on_start": None,
    "on_book": None,
    "on_trade": ("trade", TRADE),
    "on_bar": ("bar", BAR),
    "on_timer": None,
    "on_fill": ("fill", FILL),
    "on_order": ("order", ORDER_EVENT),
    "on_regime": ("regime", RISK),
    "on_risk": ("risk", RISK),
    "on_stop": None,
}
CALLBACKS = tuple(EVENTS)  # the order is the stage's numbering
EVENT_BYTES = 128
assert all(event is None or event[1].itemsize <= EVENT_BYTES for event in EVENTS.values())

# The RISK_VALUE number that carries the regime: it reaches a strategy as on_regime, all others as on_risk.
REGIME_VALUE_NUMBER = 1

# What a strategy may know of its instrument: every integer of the INSTRUMENT row.
INSTRUMENT_FACTS = np.dtype(
    [("row", "<i8")]
    + [
        (name, "<i8")
        for name in INSTRUMENT.names or ()
        if INSTRUMENT[name] == np.dtype("<i8") and INSTRUMENT[name].shape == ()
    ]
)

# -- what a strategy asks for: requests, in order ---------------------------------------------------------------------

REQUESTS_PER_CALL = 16
INSTANCES_PER_CALL = 64  # the stage calls a wrapper with at most so many instances, then turns requests into intents
REQUEST = _int64_fields(
    "instance",
    "action",
    "side",
    "price_ticks",
    "quantity_lots",
    "order_type",
    "time_in_force",
    "reduce_only",
    "target_order_id",
    "tag",
    "refusal",  # Refusal known already when asked: PRICE_NOT_TICK
)
ORDERS = np.dtype(
    [
        *((name, "<i8") for name in ("count", "start", "instance", "dropped")),
        ("requests", REQUEST, REQUESTS_PER_CALL * INSTANCES_PER_CALL),
    ]
)

# One instance of a strategy: the stage's own row beside its state.
INSTANCE = _int64_fields("strategy", "instrument", "enabled", "failed", "next_timer_ns", "calls", "intents", "dropped")
assert INSTANCE.itemsize == 64

VIEWS: dict[str, np.dtype[Any]] = {
    "book": BOOK_VIEW,
    "features": FEATURE_VIEW,
    "forecast": FORECAST_VIEW,
    "account": ACCOUNT_VIEW,
    "instrument": INSTRUMENT_FACTS,
}
EVENT_NAMES = {event[0]: event[1] for event in EVENTS.values() if event is not None}
ARGUMENTS = ("state", "params", *VIEWS, "orders", "now_ns")  # what every callback may name


class StrategyError(UserError):
    """A strategy that cannot be used. `details` is the tool's own long text, shown with --verbose only."""

    def __init__(self, message: str, exit_code: Exit = Exit.USAGE, details: str = "") -> None:
        super().__init__(message, exit_code)
        self.details = details


NO_FIELDS = "unused"  # the one field of a record that was not declared: an array of nothing is no array


def meant(name: str, known: Sequence[str]) -> str:
    """What to say in brackets of a name that there is not."""
    near = difflib.get_close_matches(name, known, 1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"there are: {', '.join(known) or 'none'}"


class Fields(NamedTuple):
    """A declared record: its dtype and, per field, the value it starts with."""

    dtype: np.dtype[Any]
    defaults: dict[str, int | float]


def fields_of(declaration: object, defaults: dict[str, int | float] | None = None) -> Fields:
    """Fields of `State` or `Params`: None (no fields), a structured dtype, or a class of annotated int and float.

    Raises ValueError naming the field when it is neither int64 nor float64, or has no name.
    """
    if declaration is None:
        return Fields(np.dtype([(NO_FIELDS, "<i8")]), {})
    if isinstance(declaration, np.dtype):
        dtype = declaration
        values = dict(defaults or {})
    elif isinstance(declaration, type):
        dtype, values = _class_fields(declaration)
    else:
        raise ValueError(f"must be a numpy structured dtype or a class of int and float fields, not {declaration!r}")
    if not dtype.names:
        raise ValueError("has no fields")
    for name in dtype.names:
        base = dtype[name].base
        if base not in (np.dtype("<i8"), np.dtype("<f8")):
            raise ValueError(f"field {name!r} is {base}; a strategy's fields are int64 or float64")
    packed = np.dtype([(name, dtype[name].base, dtype[name].shape) for name in dtype.names])
    unknown = [name for name in values if name not in packed.names]  # type: ignore[operator]
    if unknown:
        raise ValueError(f"has a default for {unknown[0]!r}, which is not a field")
    return Fields(packed, values)


def _class_fields(declaration: type) -> tuple[np.dtype[Any], dict[str, int | float]]:
    kinds = {int: "<i8", float: "<f8", "int": "<i8", "float": "<f8"}
    columns: list[tuple[str, str]] = []
    values: dict[str, int | float] = {}
    for name, annotation in inspect.get_annotations(declaration).items():
        if annotation not in kinds:
            raise ValueError(f"field {name!r} is {annotation}; a strategy's fields are int (int64) or float (float64)")
        columns.append((name, kinds[annotation]))
        if name in declaration.__dict__:
            values[name] = declaration.__dict__[name]
    return np.dtype(columns), values

"""Settings of pre-trade risk. Values in whole units of the quote currency; an impossible limit is refused by name."""

import msgspec

from engine.risk.limits import BOUNDS, Limit
from ipc.instruments import ATOMS_PER_UNIT

_MILLISECOND_NS = 1_000_000


class InstrumentLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one instrument has for itself instead of the general limit; None keeps the general one."""

    order_quantity_lots: int | None = None
    position_lots: int | None = None
    position_value_quote: int | None = None


class RiskSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Frozen; a value outside limits.BOUNDS, or two that contradict each other, is a ValueError that names the key."""

    order_quantity_lots: int = 1 << 40  # of one order, beside the venue's own largest
    position_lots: int = 1 << 40  # either way, with everything open on that side filled
    position_value_quote: int = 250_000  # the same, valued at the mid
    order_value_quote: int = 50_000
    order_value_minimum_quote: int = 0  # beside the venue's own smallest
    gross_notional_quote: int = 500_000  # sum over instruments of the larger worst case, at the mid
    open_orders: int = 64
    price_collar_bp: int = 200  # either side of the mid
    stale_data_ms: int = 3_000  # age of the last book update
    order_rate_per_s: int = 50
    order_burst: int = 50
    cancel_rate_per_s: int = 100
    cancel_burst: int = 100
    repeated_orders: int = 20  # equal orders (instrument, side, price, quantity) passed within the window
    repeat_window_ms: int = 1_000
    repeat_memory: int = 128  # orders remembered per instrument, a power of two: all that the rate allows in the window
    daily_loss_quote: int = 10_000  # realised and unrealised at the mid, fees paid, since 00:00 UTC or the run's start
    instruments: dict[str, InstrumentLimits] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        for limit, (key, unit) in _KEYS.items():
            _check(key, getattr(self, key), limit, unit)
        for name, own in self.instruments.items():
            for limit in _OWN_KEYS:
                key, unit = _KEYS[limit]
                if getattr(own, key) is not None:
                    _check(f"instruments.{name}.{key}", getattr(own, key), limit, unit)
        self._check_repeat_memory()
        if self.order_value_minimum_quote > self.order_value_quote:
            raise ValueError(
                f"order_value_minimum_quote ({self.order_value_minimum_quote}) exceeds"
                f" order_value_quote ({self.order_value_quote}): no order could pass"
            )

    def _check_repeat_memory(self) -> None:
        size = self.repeat_memory
        if not 16 <= size <= 65_536 or size & (size - 1):
            raise ValueError(f"repeat_memory must be a power of two from 16 to 65536, is {size}")
        if self.repeated_orders > size:
            raise ValueError(f"repeated_orders ({self.repeated_orders}) cannot exceed repeat_memory ({size})")
        possible = self.order_burst + -(-self.order_rate_per_s * self.repeat_window_ms // 1_000)
        if possible > size:
            raise ValueError(
                f"repeat_memory ({size}) must hold the {possible} orders that order_burst and order_rate_per_s allow"
                f" within repeat_window_ms"
            )

    def values(self) -> list[int]:
        """The general limits in the units of limits.Limit, by number."""
        return [getattr(self, key) * unit for key, unit in (_KEYS[limit] for limit in Limit)]

    def instrument_values(self, name: str) -> list[int]:
        """The PER_INSTRUMENT limits of one instrument, by number."""
        own = self.instruments.get(name, InstrumentLimits())
        values = []
        for limit in _OWN_KEYS:
            key, unit = _KEYS[limit]
            value = getattr(own, key)
            values.append((getattr(self, key) if value is None else value) * unit)
        return values


_KEYS: dict[Limit, tuple[str, int]] = {
    Limit.ORDER_QUANTITY_LOTS: ("order_quantity_lots", 1),
    Limit.POSITION_LOTS: ("position_lots", 1),
    Limit.POSITION_VALUE_ATOMS: ("position_value_quote", ATOMS_PER_UNIT),
    Limit.ORDER_VALUE_ATOMS: ("order_value_quote", ATOMS_PER_UNIT),
    Limit.ORDER_VALUE_MINIMUM_ATOMS: ("order_value_minimum_quote", ATOMS_PER_UNIT),
    Limit.GROSS_NOTIONAL_ATOMS: ("gross_notional_quote", ATOMS_PER_UNIT),
    Limit.OPEN_ORDERS: ("open_orders", 1),
    Limit.PRICE_COLLAR_BP: ("price_collar_bp", 1),
    Limit.STALE_DATA_NS: ("stale_data_ms", _MILLISECOND_NS),
    Limit.ORDER_RATE_PER_S: ("order_rate_per_s", 1),
    Limit.ORDER_BURST: ("order_burst", 1),
    Limit.CANCEL_RATE_PER_S: ("cancel_rate_per_s", 1),
    Limit.CANCEL_BURST: ("cancel_burst", 1),
    Limit.REPEATED_ORDERS: ("repeated_orders", 1),
    Limit.REPEAT_WINDOW_NS: ("repeat_window_ms", _MILLISECOND_NS),
    Limit.DAILY_LOSS_ATOMS: ("daily_loss_quote", ATOMS_PER_UNIT),
}
_OWN_KEYS = (Limit.ORDER_QUANTITY_LOTS, Limit.POSITION_LOTS, Limit.POSITION_VALUE_ATOMS)


def _check(key: str, value: int, limit: Limit, unit: int) -> None:
    lowest, highest = BOUNDS[limit]
    if not lowest <= value * unit <= highest:
        raise ValueError(f"{key} must be from {-(-lowest // unit)} to {highest // unit}, is {value}")

"""Settings of pre-trade risk. Values in whole units of the quote currency; an impossible limit is refused by name."""

from typing import Literal

import msgspec

from engine.risk.limits import BOUNDS, REGIMES, Limit
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
    # -- of the equity: capital and profit, fees paid; 0 switches a limit off
    capital_quote: int = 500_000  # what the account began with
    daily_loss_bp: int = 200  # of the equity when the day began, beside daily_loss_quote
    drawdown_soft_bp: int = 1_000  # of the highest equity since the run began: beyond, only what adds nothing passes
    drawdown_hard_bp: int = 2_000  # beyond, trading is halted
    leverage_bp: int = 30_000  # gross notional of the equity
    concentration_bp: int = 10_000  # worst case of one instrument of the equity
    # -- of what the risk process says
    cvar_quote: int = 25_000  # of the book with every open order filled at its worst; 0: off
    cvar_level_bp: int = 9_900
    cvar_between: Literal["exact", "refuse"] = "exact"  # an order for which the two bounds do not decide
    scenarios: int = 1_000  # stored for it, a multiple of 8
    correlation_bp: int = 9_500  # of an instrument with all else that is held: beyond, it is not added to; 0: off
    results_age_ms: int = 10_000  # older than this, results do not count: the conservative rule
    conservative_loss_bp: int = 2_000  # the rule: CVaR is this share of everything that can be held, summed up
    regime_scale_bp: tuple[int, ...] = (
        10_000,
        7_500,
        5_000,
    )  # of CVaR, gross and position value, by regime, quiet first
    volatility_ratio_limit_bp: int = 20_000  # volatility of now to the long run: beyond, these limits shrink with it
    results_expected: bool = False  # set by a run that has a risk process
    instruments: dict[str, InstrumentLimits] = msgspec.field(default_factory=dict)

    @property
    def tail_scenarios(self) -> float:
        """Stored scenarios in the tail; the last may count in part."""
        return self.scenarios * (10_000 - self.cvar_level_bp) / 10_000

    def __post_init__(self) -> None:
        for limit, (key, unit) in _KEYS.items():
            _check(key, getattr(self, key), limit, unit)
        for name, own in self.instruments.items():
            for limit in _OWN_KEYS:
                key, unit = _KEYS[limit]
                if getattr(own, key) is not None:
                    _check(f"instruments.{name}.{key}", getattr(own, key), limit, unit)
        self._check_repeat_memory()
        self._check_results()
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

    def _check_results(self) -> None:
        if not 1 <= self.capital_quote <= (1 << 58) // ATOMS_PER_UNIT:
            raise ValueError(f"capital_quote must be from 1 to {(1 << 58) // ATOMS_PER_UNIT}, is {self.capital_quote}")
        if not 8 <= self.scenarios <= 16_384 or self.scenarios % 8:
            raise ValueError(f"scenarios must be a multiple of 8 from 8 to 16384, is {self.scenarios}")
        if not 5_000 <= self.cvar_level_bp < 10_000 or self.tail_scenarios < 1:
            raise ValueError(
                f"cvar_level_bp ({self.cvar_level_bp}) must be from 5000 to 9999 and leave one of the "
                f"{self.scenarios} scenarios in the tail"
            )
        for key in ("conservative_loss_bp", "volatility_ratio_limit_bp"):
            if not 1 <= getattr(self, key) <= 1_000_000:
                raise ValueError(f"{key} must be from 1 to 1000000, is {getattr(self, key)}")
        scale = self.regime_scale_bp
        if not 1 <= len(scale) <= REGIMES or not all(0 < share <= 10_000 for share in scale):
            raise ValueError(f"regime_scale_bp must be 1 to {REGIMES} shares from 1 to 10000, is {list(scale)}")
        if 0 < self.drawdown_hard_bp < self.drawdown_soft_bp:
            raise ValueError(
                f"drawdown_soft_bp ({self.drawdown_soft_bp}) exceeds drawdown_hard_bp ({self.drawdown_hard_bp})"
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
    Limit.CVAR_ATOMS: ("cvar_quote", ATOMS_PER_UNIT),
    Limit.DAILY_LOSS_BP: ("daily_loss_bp", 1),
    Limit.DRAWDOWN_SOFT_BP: ("drawdown_soft_bp", 1),
    Limit.DRAWDOWN_HARD_BP: ("drawdown_hard_bp", 1),
    Limit.LEVERAGE_BP: ("leverage_bp", 1),
    Limit.CONCENTRATION_BP: ("concentration_bp", 1),
    Limit.CORRELATION_BP: ("correlation_bp", 1),
    Limit.RESULTS_AGE_NS: ("results_age_ms", _MILLISECOND_NS),
}
_OWN_KEYS = (Limit.ORDER_QUANTITY_LOTS, Limit.POSITION_LOTS, Limit.POSITION_VALUE_ATOMS)


def _check(key: str, value: int, limit: Limit, unit: int) -> None:
    lowest, highest = BOUNDS[limit]
    if not lowest <= value * unit <= highest:
        raise ValueError(f"{key} must be from {-(-lowest // unit)} to {highest // unit}, is {value}")

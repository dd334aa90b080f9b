"""The limits of pre-trade risk: their numbers (RiskView.limit, Kind.LIMIT), units, bounds, and the order of the checks.

Three of them are kept per instrument (PER_INSTRUMENT); RiskView shows each for the instrument where it is tightest. The
headroom of a limit is the limit minus what is used of it, negative where it is exceeded:

* of what an account may hold (position, notional, open orders, daily loss): at the worst case of all that is open, as
  of the last message that risk took, an order just approved included;
* of the equity (daily loss, drawdown, leverage): in basis points of it, as of the last message that risk took;
* of CVaR: of the bound that decided the last order, or since then of the upper bound of what is held and open;
* of a rate: the whole messages left in the bucket now;
* of repeats: among the last repeat_memory orders of the instrument (a LIMIT message that raises the order rate does not
  make that memory longer; the settings at the start see to it that it is long enough);
* of a single order (quantity, value, collar, age, repeats): left by the last order that came so far in the checks.
"""

from enum import IntEnum
from typing import NamedTuple

from ipc.messages import Refusal

REGIMES = 8  # states with a scale of their own, as in engine/risk/desk.pxd
RISK_LIMITS = 32  # room in RiskView, as in engine/stage.pxd
ALL_INSTRUMENTS = (1 << 32) - 1  # in a LIMIT message's instrument: a per-instrument limit is set for all


class Limit(IntEnum):
    """Numbers are never reused."""

    ORDER_QUANTITY_LOTS = 0
    POSITION_LOTS = 1
    POSITION_VALUE_ATOMS = 2
    ORDER_VALUE_ATOMS = 3
    ORDER_VALUE_MINIMUM_ATOMS = 4
    GROSS_NOTIONAL_ATOMS = 5
    OPEN_ORDERS = 6
    PRICE_COLLAR_BP = 7
    STALE_DATA_NS = 8
    ORDER_RATE_PER_S = 9
    ORDER_BURST = 10
    CANCEL_RATE_PER_S = 11
    CANCEL_BURST = 12
    REPEATED_ORDERS = 13
    REPEAT_WINDOW_NS = 14
    DAILY_LOSS_ATOMS = 15
    # 0 switches each of these off
    CVAR_ATOMS = 16
    DAILY_LOSS_BP = 17
    DRAWDOWN_SOFT_BP = 18
    DRAWDOWN_HARD_BP = 19
    LEVERAGE_BP = 20
    CONCENTRATION_BP = 21
    CORRELATION_BP = 22
    RESULTS_AGE_NS = 23


PER_INSTRUMENT = (Limit.ORDER_QUANTITY_LOTS, Limit.POSITION_LOTS, Limit.POSITION_VALUE_ATOMS)
LIMITS = tuple(limit.name.lower() for limit in Limit)  # LIMITS[n] names limit[n] and headroom[n] of RiskView


class Bounds(NamedTuple):
    """What a limit may be set to, at the start or by a LIMIT message."""

    lowest: int
    highest: int


_LOTS = Bounds(0, 1 << 50)
_ATOMS = Bounds(0, 1 << 61)
_RATE = Bounds(1, 1_000_000)
_SHARE = Bounds(0, 10_000)
_MULTIPLE = Bounds(0, 10_000_000)
BOUNDS: dict[Limit, Bounds] = {
    Limit.ORDER_QUANTITY_LOTS: _LOTS,
    Limit.POSITION_LOTS: _LOTS,
    Limit.POSITION_VALUE_ATOMS: _ATOMS,
    Limit.ORDER_VALUE_ATOMS: _ATOMS,
    Limit.ORDER_VALUE_MINIMUM_ATOMS: _ATOMS,
    Limit.GROSS_NOTIONAL_ATOMS: _ATOMS,
    Limit.OPEN_ORDERS: Bounds(0, 1 << 23),
    Limit.PRICE_COLLAR_BP: Bounds(1, 10_000),
    Limit.STALE_DATA_NS: Bounds(1_000_000, 3_600_000_000_000),
    Limit.ORDER_RATE_PER_S: _RATE,
    Limit.ORDER_BURST: _RATE,
    Limit.CANCEL_RATE_PER_S: _RATE,
    Limit.CANCEL_BURST: _RATE,
    Limit.REPEATED_ORDERS: Bounds(1, 1 << 20),
    Limit.REPEAT_WINDOW_NS: Bounds(1_000_000, 3_600_000_000_000),
    Limit.DAILY_LOSS_ATOMS: _ATOMS,
    Limit.CVAR_ATOMS: Bounds(0, 1 << 58),
    Limit.DAILY_LOSS_BP: _SHARE,
    Limit.DRAWDOWN_SOFT_BP: _SHARE,
    Limit.DRAWDOWN_HARD_BP: _SHARE,
    Limit.LEVERAGE_BP: _MULTIPLE,
    Limit.CONCENTRATION_BP: _MULTIPLE,
    Limit.CORRELATION_BP: _SHARE,
    Limit.RESULTS_AGE_NS: Bounds(1_000_000, 3_600_000_000_000),
}

# The checks of a NEW or REPLACE in the order they are made, and the codes each can give; the first refusal ends it.
# engine/risk/stage.pyx and engine/risk/reference.py follow it. CANCEL and QUERY pass: they only use up their bucket.
CHECKS: tuple[tuple[str, tuple[Refusal, ...]], ...] = (
    ("kill_switch", (Refusal.KILL_SWITCH,)),
    ("order_ring", (Refusal.ORDER_RING_FULL,)),
    ("instrument", (Refusal.INSTRUMENT_UNKNOWN, Refusal.INSTRUMENT_HALTED)),
    ("book", (Refusal.BOOK_NOT_VALID, Refusal.STALE_DATA)),
    ("quantity", (Refusal.QUANTITY_ZERO, Refusal.QUANTITY_TOO_LARGE)),
    ("price", (Refusal.PRICE_NOT_TICK, Refusal.NO_REFERENCE_PRICE, Refusal.PRICE_COLLAR)),
    ("value", (Refusal.ARITHMETIC_OVERFLOW, Refusal.ORDER_VALUE, Refusal.ORDER_VALUE_TOO_SMALL)),
    ("reduce_only", (Refusal.REDUCE_ONLY,)),
    ("exposure", (Refusal.ARITHMETIC_OVERFLOW, Refusal.NO_REFERENCE_PRICE)),
    ("position", (Refusal.ARITHMETIC_OVERFLOW, Refusal.POSITION_LIMIT, Refusal.CONCENTRATION)),
    (
        "gross_notional",
        (Refusal.ARITHMETIC_OVERFLOW, Refusal.RISK_STALE, Refusal.LEVERAGE, Refusal.GROSS_NOTIONAL),
    ),
    ("correlation", (Refusal.CORRELATION,)),
    ("drawdown_soft", (Refusal.DRAWDOWN_SOFT,)),
    ("open_orders", (Refusal.OPEN_ORDERS,)),
    ("daily_loss", (Refusal.DAILY_LOSS, Refusal.DRAWDOWN_HARD)),
    ("repeated_order", (Refusal.REPEATED_ORDER,)),
    ("cvar", (Refusal.ARITHMETIC_OVERFLOW, Refusal.CVAR_UNDECIDED, Refusal.CVAR_LIMIT)),
    ("message_rate", (Refusal.MESSAGE_RATE,)),
)

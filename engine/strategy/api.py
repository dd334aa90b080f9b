"""What a strategy may do, and the words it does it with: the same functions compiled and in plain Python.

    from engine.strategy.api import BID, ASK, VALID, place, cancel, replace, working

A request is a wish: sizing sets its quantity, risk may refuse it, and the answer comes back as on_order and on_fill and
in `account`. At most 16 requests a call; the rest are refused OUTBOX_FULL.
"""

from engine.strategy.contract import REQUESTS_PER_CALL, Record
from ipc.instruments import ATOMS_PER_UNIT
from ipc.messages import Action, BookState, Liquidity, OrderState, OrderType, Refusal, ReportKind, Side
from ipc.messages import TimeInForce as _TimeInForce

# Plain integers: what numba freezes into machine code and what the views hold.
BID = int(Side.BID)
ASK = int(Side.ASK)

VALID = int(BookState.VALID)
SYNCING = int(BookState.SYNCING)
SUSPECT = int(BookState.SUSPECT)
STALE = int(BookState.STALE)
GAP = int(BookState.GAP)

LIMIT = int(OrderType.LIMIT)
MARKET = int(OrderType.MARKET)
LIMIT_MAKER = int(OrderType.LIMIT_MAKER)

GTC = int(_TimeInForce.GTC)
IOC = int(_TimeInForce.IOC)
FOK = int(_TimeInForce.FOK)

PENDING = int(OrderState.PENDING)
ACCEPTED = int(OrderState.ACCEPTED)
PARTLY_FILLED = int(OrderState.PARTLY_FILLED)
CANCEL_PENDING = int(OrderState.CANCEL_PENDING)
REPLACE_PENDING = int(OrderState.REPLACE_PENDING)
UNKNOWN = int(OrderState.UNKNOWN)

MAKER = int(Liquidity.MAKER)
TAKER = int(Liquidity.TAKER)

REPORT_ACCEPTED = int(ReportKind.ACCEPTED)
REPORT_FILL = int(ReportKind.FILL)
REPORT_CANCELLED = int(ReportKind.CANCELLED)
REPORT_REPLACED = int(ReportKind.REPLACED)
REPORT_REJECTED = int(ReportKind.REJECTED)
REPORT_CANCEL_REJECTED = int(ReportKind.CANCEL_REJECTED)
REPORT_EXPIRED = int(ReportKind.EXPIRED)

MILLISECOND_NS = 1_000_000
SECOND_NS = 1_000_000_000

_NEW = int(Action.NEW)
_CANCEL = int(Action.CANCEL)
_REPLACE = int(Action.REPLACE)
_PRICE_NOT_TICK = int(Refusal.PRICE_NOT_TICK)
_ATOMS_PER_UNIT = float(ATOMS_PER_UNIT)
_BOUND = 1 << 53  # beyond it doubles have gaps; no price or quantity comes near


# -- COMMANDS ----------------------------------------------------------------------------------------------------------


def place(
    orders: Record,
    side: int,
    price_ticks: int,
    quantity_lots: int,
    tag: int = 0,
    order_type: int = LIMIT,
    time_in_force: int = GTC,
    reduce_only: int = 0,
) -> None:
    """Asks for a new order at a price in ticks for a quantity in lots; `tag` comes back in `account.working`.

    A price that is no whole number of ticks is refused PRICE_NOT_TICK, never rounded.
    """
    _request(orders, _NEW, side, price_ticks, quantity_lots, tag, order_type, time_in_force, reduce_only, 0)


def cancel(orders: Record, order_id: int) -> None:
    """Asks for the end of one of its own working orders."""
    _request(orders, _CANCEL, 0, 0, 0, 0, 0, 0, 0, order_id)


def replace(
    orders: Record,
    order: Record,
    price_ticks: int,
    quantity_lots: int,
    order_type: int = LIMIT,
    time_in_force: int = GTC,
) -> None:
    """Asks for a working order (a row of `account.working`) to be moved to another price and quantity.

    Side and tag stay. The new order has a number of its own and goes to the back of the queue.
    """
    side, tag, target = order.side, order.tag, order.order_id
    _request(orders, _REPLACE, side, price_ticks, quantity_lots, tag, order_type, time_in_force, 0, target)


def cancel_all(orders: Record, account: Record) -> None:
    """Asks for the end of every working order that is settled; call it again for those still under way."""
    for i in range(len(account.working)):
        order = account.working[i]
        if order.order_id != 0 and settled(order):
            cancel(orders, order.order_id)


# -- QUERIES -----------------------------------------------------------------------------------------------------------


def working(account: Record, tag: int) -> int:
    """Place in `account.working` of the first live order with this tag, or -1."""
    for i in range(len(account.working)):
        if account.working[i].order_id != 0 and account.working[i].tag == tag:
            return i
    return -1


def settled(order: Record) -> bool:
    """Whether the venue has confirmed a working order and nothing is under way: it may be replaced or cancelled."""
    return bool(order.state in (ACCEPTED, PARTLY_FILLED))


def round_down(value: float) -> int:
    """Largest whole number not above a finite value; 0 for NaN and beyond 2^53."""
    if not -_BOUND < value < _BOUND:
        return 0
    whole = int(value)
    return whole - 1 if value < whole else whole


def round_up(value: float) -> int:
    """Smallest whole number not below a finite value; 0 for NaN and beyond 2^53."""
    return -round_down(-value)


def lots_of_value(value: float, price_ticks: int, instrument: Record) -> int:
    """Lots worth at most `value` quote units at a price, a whole number of the venue's quantity steps; never negative.

    lots = value * 1e8 atoms / (price * atoms of one tick and lot)
    """
    if price_ticks <= 0 or not 0.0 < value < _BOUND:
        return 0
    atoms_per_lot = float(price_ticks) * float(instrument.atoms_numerator) / float(instrument.atoms_denominator)
    lots = round_down(value * _ATOMS_PER_UNIT / atoms_per_lot)
    return lots - lots % int(instrument.minimum_quantity_lots)


def _request(
    orders: Record,
    action: int,
    side: int,
    price_ticks: int,
    quantity_lots: int,
    tag: int,
    order_type: int,
    time_in_force: int,
    reduce_only: int,
    target_order_id: int,
) -> None:
    if orders.count - orders.start >= REQUESTS_PER_CALL:
        orders.dropped += 1
        return
    request = orders.requests[orders.count]
    request.instance = orders.instance
    request.action = action
    request.side = side
    if -_BOUND < price_ticks < _BOUND and int(price_ticks) == price_ticks:
        request.price_ticks = int(price_ticks)
        request.refusal = 0
    else:
        request.price_ticks = 0
        request.refusal = _PRICE_NOT_TICK
    request.quantity_lots = int(quantity_lots) if -_BOUND < quantity_lots < _BOUND else 0
    request.order_type = order_type
    request.time_in_force = time_in_force
    request.reduce_only = reduce_only
    request.target_order_id = target_order_id
    request.tag = tag
    orders.count += 1

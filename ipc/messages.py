"""The one message of Bot4: a 64-byte record, one cache line, the same everywhere.

    offset  0        8               16                24          28    29    30
           +--------+---------------+-----------------+-----------+-----+-----+------+
           |sequence|event_time_ns  |receive_time_ns  |instrument |kind |side |flags |
           |  i64   |  i64          |  i64            |  u32      | u8  | u8  | u16  |
           +--------+---------------+-----------------+-----------+-----+-----+------+
           |price_ticks |quantity_lots |order_id |extra|
           |  i64       |  i64         |  i64    | 8 B |
           +------------+--------------+---------+-----+
    offset  32           40             48        56      64

This numpy dtype is the one source; the Cython struct in `ipc/message.pxd` is checked against it at import
(`ipc.ring`), and the tests hold every offset. Little-endian. Times are int64 nanoseconds UTC. Prices are integer ticks,
quantities integer lots of the instrument's row (`ipc/instruments.py`). `sequence` is the position in the source ring,
given by its one writer and never rewritten.

What needs more than 64 bytes is several records: all but the last carry `Flag.MORE`, and all become visible by one
store of the ring's head. A *batch* (a depth update, a vector of results) ends with the record that carries `Flag.LAST`.
"""

from enum import IntEnum, IntFlag

import numpy as np

SCHEMA_VERSION = 1

MESSAGE = np.dtype(
    [
        ("sequence", "<i8"),
        ("event_time_ns", "<i8"),
        ("receive_time_ns", "<i8"),
        ("instrument", "<u4"),
        ("kind", "u1"),
        ("side", "u1"),
        ("flags", "<u2"),
        ("price_ticks", "<i8"),
        ("quantity_lots", "<i8"),
        ("order_id", "<i8"),
        ("extra", "<i8"),
    ]
)
assert MESSAGE.itemsize == 64

# The second record of an order (INTENT, SIZED, APPROVED, ORDER): the same header, the body read anew.
ORDER_DETAIL = np.dtype(
    [
        ("sequence", "<i8"),
        ("event_time_ns", "<i8"),  # of the message that caused the order
        ("receive_time_ns", "<i8"),  # of the message that caused the order
        ("instrument", "<u4"),
        ("kind", "u1"),  # Kind.DETAIL
        ("action", "u1"),  # Action
        ("flags", "<u2"),
        ("cause_sequence", "<i8"),  # sequence of the message that caused the order
        ("strategy", "<u4"),  # index of the strategy in the pipeline
        ("order_type", "u1"),  # OrderType
        ("time_in_force", "u1"),  # TimeInForce
        ("reduce_only", "u1"),
        ("cause_source", "u1"),  # Source of the message that caused the order
        ("target_order_id", "<i8"),  # the order cancelled or replaced, 0 for a new one
        ("tag", "<i8"),  # the strategy's own label, echoed in every report
    ]
)
assert ORDER_DETAIL.itemsize == 64

# The second record of a report (REPORT): venue identities and the fee.
REPORT_DETAIL = np.dtype(
    [
        ("sequence", "<i8"),
        ("event_time_ns", "<i8"),
        ("receive_time_ns", "<i8"),
        ("instrument", "<u4"),
        ("kind", "u1"),  # Kind.DETAIL
        ("liquidity", "u1"),  # Liquidity
        ("flags", "<u2"),
        ("venue_order_id", "<i8"),
        ("trade_id", "<i8"),
        ("fee_atoms", "<i8"),  # 1e-8 of the quote currency; negative is a rebate
        ("cumulative_lots", "<i8"),
    ]
)
assert REPORT_DETAIL.itemsize == 64

# The continuation records of a RISK_SCENARIOS: eight scenarios of the head's instrument each, in order.
VECTOR_DETAIL = np.dtype(
    [
        ("sequence", "<i8"),
        ("event_time_ns", "<i8"),
        ("receive_time_ns", "<i8"),
        ("instrument", "<u4"),
        ("kind", "u1"),  # Kind.DETAIL
        ("side", "u1"),
        ("flags", "<u2"),
        ("values", "<f4", 8),
    ]
)
assert VECTOR_DETAIL.itemsize == 64


class Kind(IntEnum):
    """What a record is. Below 64, so that a stage declares what it takes as one 64-bit mask.

    Beside each: what price_ticks, quantity_lots, order_id and extra mean, where they mean anything.
    """

    NONE = 0
    # -- market data (feed to core)
    LEVEL = 1  # one price level set: price, quantity (0 deletes), order_id = venue update id, side BID/ASK
    TRADE = 2  # price, quantity, order_id = venue trade id, side = aggressor (BID: a buyer took)
    QUOTE = 3  # best bid (MORE), then best ask: price, quantity, order_id = venue update id
    BOOK_STATE = 4  # the feed's word on the book: extra = BookState, quantity = BookReason; order_id = update id
    TICK_CHANGE = 5  # instrument changed its tick or lot: the book is invalid until resynchronised
    TRADING_STATUS = 6  # extra = 1 trading, 0 halted
    FUNDING = 7  # price = mark price, extra = rate in 1e-8, quantity = next funding time in ns
    # -- time
    TIME = 10  # stamped by the loop when idle, each millisecond: event_time = receive_time = now
    # -- what the loop learns from its cursors
    LAPPED = 11  # quantity = records lost, extra = Source; the books fed by it are invalid
    RING_FULL = 12  # extra = Source of the full ring, quantity = messages refused
    # -- commands (supervisor to core)
    COMMAND = 16  # extra = Command, quantity and price its arguments
    LIMIT = 17  # extra = limit number, price_ticks = new value
    MODEL = 18  # a model change: order_id = slot, extra = first 63 bits of its content hash
    # -- the risk process: a batch begins and ends (LAST) with RISK_BATCH; nothing of it counts before its end
    RISK_BATCH = 19  # order_id = version, quantity = records of the batch, price = scenarios, extra = RiskMethod
    # -- results of other processes (risk, inference): a batch, visible at LAST
    FORECAST = 20  # extra = float64 bits of the value, order_id = horizon number, quantity = model slot
    RISK_VALUE = 21  # of the portfolio: order_id = RiskValue, extra = float64 bits
    RISK_ROW = 22  # of an instrument: order_id = RiskRow, extra = float64 bits; quantity = reference position in lots,
    # price = its reference price in half ticks (bid plus ask)
    RISK_SCENARIOS = 23  # order_id = number of the first, quantity = how many; VECTOR_DETAIL records follow, eight each
    # -- reports (gateway to core); two records, the second REPORT_DETAIL
    REPORT = 24  # order_id = our order number; side; price, quantity = of this event; extra = ReportKind | code << 8
    # -- the way of an order through the core; two records, the second ORDER_DETAIL
    INTENT = 32  # strategy to sizing; quantity may be a wish
    SIZED = 33  # sizing to risk
    APPROVED = 34  # risk to execution
    ORDER = 35  # execution to the gateway: the only kind that the loop writes to the order ring
    # -- refusals anywhere
    REFUSAL = 40  # extra = Refusal code, order_id = order number or strategy's tag, quantity = observed, price = limit
    # -- the journal's own
    CHECK = 48  # eight rolling 32-bit hashes of the stages' views, after the batch that just ended
    DETAIL = 63  # the continuation of the record before it


class Flag(IntFlag):
    """Bits of `flags`; bits 12 to 15 are the source ring (`Source`)."""

    LAST = 1  # last record of a batch
    SNAPSHOT = 2  # part of a full book
    MORE = 4  # the message continues in the next record
    REPLAYED = 8  # delivered again after a reconnect
    QUOTE_SIDE = 16  # second record of a QUOTE


SOURCE_SHIFT = 12


class Side(IntEnum):
    NONE = 0
    BID = 1  # buy
    ASK = 2  # sell


class Source(IntEnum):
    """Which ring a record came from; at most 16."""

    LOOP = 0  # made by the loop itself: TIME, LAPPED, RING_FULL
    MARKET = 1
    REPORTS = 2
    COMMANDS = 3
    RESULTS = 4  # inference
    RISK = 5  # the risk process
    CORE = 8  # outputs of the core


class BookState(IntEnum):
    SYNCING = 0  # no snapshot yet, or diffs are buffered until one arrives
    VALID = 1
    SUSPECT = 2  # crossed, or in disagreement with the venue's own best bid and offer
    STALE = 3  # no update for longer than the limit
    GAP = 4  # an update is missing: wait for the next snapshot


class BookReason(IntEnum):
    NONE = 0
    START = 1
    MISSING_UPDATE = 2
    SNAPSHOT_TOO_OLD = 3
    DISCONNECTED = 4
    LAPPED = 5
    TICK_CHANGED = 6
    CROSSED = 7
    QUIET = 8
    BBO_DISAGREES = 9
    CAPACITY = 10
    VENUE_HALTED = 11


class Action(IntEnum):
    NEW = 1
    CANCEL = 2
    REPLACE = 3
    QUERY = 4


class OrderType(IntEnum):
    LIMIT = 1
    MARKET = 2
    LIMIT_MAKER = 3  # refused by the venue if it would take


class TimeInForce(IntEnum):
    GTC = 1
    IOC = 2
    FOK = 3


class Liquidity(IntEnum):
    NONE = 0
    MAKER = 1
    TAKER = 2


class ReportKind(IntEnum):
    """What the venue, or the gateway in its place, says of an order."""

    ACCEPTED = 1
    FILL = 2  # partial or whole: compare cumulative_lots with the order's quantity
    CANCELLED = 3
    REPLACED = 4  # terminal for the old order; the new one, with a number of its own, gets ACCEPTED or REJECTED
    REJECTED = 5  # code = Refusal
    CANCEL_REJECTED = 6  # the order lives, or is already gone: code says which
    EXPIRED = 7
    UNKNOWN = 8  # attempted, no word: being queried
    NOT_FOUND = 9  # queried: the venue never had it and can no longer receive it


class OrderState(IntEnum):
    NONE = 0
    PENDING = 1  # sent to the gateway, no word yet
    ACCEPTED = 2
    PARTLY_FILLED = 3
    FILLED = 4
    CANCEL_PENDING = 5
    CANCELLED = 6
    REPLACE_PENDING = 7
    REJECTED = 8
    EXPIRED = 9
    UNKNOWN = 10
    REPLACED = 11


OPEN_STATES = frozenset(
    {
        OrderState.PENDING,
        OrderState.ACCEPTED,
        OrderState.PARTLY_FILLED,
        OrderState.CANCEL_PENDING,
        OrderState.REPLACE_PENDING,
        OrderState.UNKNOWN,
    }
)


class Command(IntEnum):
    HALT = 1  # no new orders; cancels go through
    RESUME = 2
    FLATTEN = 3  # cancel everything, close positions with reduce-only orders
    STOP = 4  # cancel everything, then leave the loop
    CANCEL_ALL = 5


class RiskValue(IntEnum):
    """Which value of the portfolio a RISK_VALUE carries. Money in quote atoms, shares as such."""

    REGIME = 1  # state number, ordered by volatility, 0 the quietest
    VAR = 2  # of the reference positions at the batch's level and horizon
    CVAR = 3
    CORRELATION_MEAN = 4  # over pairs of instruments
    CORRELATION_LARGEST = 5
    VOLATILITY_RATIO = 6  # of now to the long run, at least of all instruments the largest
    QUALITY = 7  # share of the bars asked for that were whole, 0 to 1


class RiskRow(IntEnum):
    """Which value of an instrument a RISK_ROW carries. Losses as a share of the value held, positive is a loss."""

    VOLATILITY = 1  # standard deviation of the log return over one second
    MARGINAL_CVAR = 2  # subgradient of the portfolio's CVaR at the reference positions, for one unit of value long
    CVAR_LONG = 3  # stand-alone, of one unit of value held long
    CVAR_SHORT = 4  # and short
    CORRELATION = 5  # of its return with the profit of all else that is held; 0 where nothing is


class RiskMethod(IntEnum):
    """How the batch was estimated."""

    PRIOR = 1  # too little history: volatility and correlation as configured
    EWMA = 2  # exponentially weighted volatility, its own standardised returns
    GARCH = 3  # fitted and healthy for every instrument
    MIXED = 4  # fitted for some, EWMA for the others


class Refusal(IntEnum):
    """Stable codes of every refusal anywhere; numbers are never reused. Names are what the user sees."""

    NONE = 0
    # -- feed
    FRAME_MALFORMED = 1
    FRAME_TOO_LARGE = 2
    FRAME_UNKNOWN_STREAM = 3
    FRAME_UNKNOWN_SYMBOL = 4
    DECIMAL_INEXACT = 5
    UPDATE_DUPLICATE = 6
    UPDATE_BEFORE_SNAPSHOT = 7
    # -- risk
    BOOK_NOT_VALID = 20
    STALE_DATA = 21
    KILL_SWITCH = 22
    PRICE_NOT_TICK = 23
    PRICE_COLLAR = 24
    QUANTITY_ZERO = 25
    QUANTITY_TOO_LARGE = 26
    ORDER_VALUE = 27
    POSITION_LIMIT = 28
    GROSS_NOTIONAL = 29
    MESSAGE_RATE = 30
    REPEATED_ORDER = 31
    DAILY_LOSS = 32
    OPEN_ORDERS = 33
    INSTRUMENT_HALTED = 34
    INSTRUMENT_UNKNOWN = 35
    ARITHMETIC_OVERFLOW = 36
    REDUCE_ONLY = 37
    ORDER_VALUE_TOO_SMALL = 38
    NO_REFERENCE_PRICE = 39
    LIMIT_IMPOSSIBLE = 40  # a LIMIT message whose number or value means nothing: the limit stays as it was
    RISK_STALE = 41  # the risk process has been silent too long: the conservative rule holds
    RISK_RESULT_INVALID = 42  # a batch of results with a NaN, a hole or a contradiction: refused whole
    CVAR_LIMIT = 43
    CVAR_UNDECIDED = 44  # between the bounds, and cvar_between is refuse
    DRAWDOWN_SOFT = 45
    DRAWDOWN_HARD = 46
    LEVERAGE = 47
    CONCENTRATION = 48
    CORRELATION = 49
    # -- sizing, execution
    SIZE_ROUNDED_TO_ZERO = 50
    ORDER_TABLE_FULL = 51
    ORDER_UNKNOWN = 52
    ORDER_NOT_CANCELLABLE = 53
    ORDER_RING_FULL = 54
    OUTBOX_FULL = 55
    STRATEGY_FAILED = 56
    FORECAST_MISSING = 57
    SIZE_NO_EDGE = 58  # Kelly: the edge does not pay its cost
    # -- gateway and venue
    VENUE_REJECTED = 70
    VENUE_DISCONNECTED = 71
    VENUE_RATE_LIMIT = 72
    VENUE_INSUFFICIENT_BALANCE = 73
    VENUE_WOULD_TAKE = 74
    VENUE_FILTER = 75
    VENUE_TIMEOUT = 76
    VENUE_UNKNOWN_ORDER = 77
    GATEWAY_HALTED = 78
    GATEWAY_DUPLICATE_NUMBER = 79
    # -- journal
    JOURNAL_FULL = 90


def messages(capacity: int) -> np.ndarray:
    """Zeroed records, shape (capacity,), dtype MESSAGE."""
    return np.zeros(capacity, dtype=MESSAGE)

# The C side of ipc/messages.py, where the picture of the layout stands. tests/ipc holds the two together, and
# ipc.ring refuses to import when they differ. Enumerations repeat the values of messages.py; the same test reads both.
from libc.stdint cimport int64_t, uint32_t, uint16_t, uint8_t

cdef packed struct Message:
    int64_t sequence
    int64_t event_time_ns
    int64_t receive_time_ns
    uint32_t instrument
    uint8_t kind
    uint8_t side
    uint16_t flags
    int64_t price_ticks
    int64_t quantity_lots
    int64_t order_id
    int64_t extra

cdef packed struct OrderDetail:
    int64_t sequence
    int64_t event_time_ns
    int64_t receive_time_ns
    uint32_t instrument
    uint8_t kind
    uint8_t action
    uint16_t flags
    int64_t cause_sequence
    uint32_t strategy
    uint8_t order_type
    uint8_t time_in_force
    uint8_t reduce_only
    uint8_t cause_source
    int64_t target_order_id
    int64_t tag

cdef packed struct ReportDetail:
    int64_t sequence
    int64_t event_time_ns
    int64_t receive_time_ns
    uint32_t instrument
    uint8_t kind
    uint8_t liquidity
    uint16_t flags
    int64_t venue_order_id
    int64_t trade_id
    int64_t fee_atoms
    int64_t cumulative_lots

cdef packed struct VectorDetail:
    int64_t sequence
    int64_t event_time_ns
    int64_t receive_time_ns
    uint32_t instrument
    uint8_t kind
    uint8_t side
    uint16_t flags
    float values[8]

cdef enum:  # Kind
    KIND_NONE = 0
    KIND_LEVEL = 1
    KIND_TRADE = 2
    KIND_QUOTE = 3
    KIND_BOOK_STATE = 4
    KIND_TICK_CHANGE = 5
    KIND_TRADING_STATUS = 6
    KIND_FUNDING = 7
    KIND_TIME = 10
    KIND_LAPPED = 11
    KIND_RING_FULL = 12
    KIND_COMMAND = 16
    KIND_LIMIT = 17
    KIND_MODEL = 18
    KIND_RISK_BATCH = 19
    KIND_FORECAST = 20
    KIND_RISK_VALUE = 21
    KIND_RISK_ROW = 22
    KIND_RISK_SCENARIOS = 23
    KIND_REPORT = 24
    KIND_INTENT = 32
    KIND_SIZED = 33
    KIND_APPROVED = 34
    KIND_ORDER = 35
    KIND_REFUSAL = 40
    KIND_CHECK = 48
    KIND_DETAIL = 63

cdef enum:  # Flag
    FLAG_LAST = 1
    FLAG_SNAPSHOT = 2
    FLAG_MORE = 4
    FLAG_REPLAYED = 8
    FLAG_QUOTE_SIDE = 16

cdef enum:  # Side
    SIDE_NONE = 0
    SIDE_BID = 1
    SIDE_ASK = 2

cdef enum:  # Source
    SOURCE_LOOP = 0
    SOURCE_MARKET = 1
    SOURCE_REPORTS = 2
    SOURCE_COMMANDS = 3
    SOURCE_RESULTS = 4
    SOURCE_RISK = 5
    SOURCE_CORE = 8

cdef enum:  # BookState
    BOOK_STATE_SYNCING = 0
    BOOK_STATE_VALID = 1
    BOOK_STATE_SUSPECT = 2
    BOOK_STATE_STALE = 3
    BOOK_STATE_GAP = 4

cdef enum:  # BookReason
    BOOK_REASON_NONE = 0
    BOOK_REASON_START = 1
    BOOK_REASON_MISSING_UPDATE = 2
    BOOK_REASON_SNAPSHOT_TOO_OLD = 3
    BOOK_REASON_DISCONNECTED = 4
    BOOK_REASON_LAPPED = 5
    BOOK_REASON_TICK_CHANGED = 6
    BOOK_REASON_CROSSED = 7
    BOOK_REASON_QUIET = 8
    BOOK_REASON_BBO_DISAGREES = 9
    BOOK_REASON_CAPACITY = 10
    BOOK_REASON_VENUE_HALTED = 11

cdef enum:  # Action
    ACTION_NEW = 1
    ACTION_CANCEL = 2
    ACTION_REPLACE = 3
    ACTION_QUERY = 4

cdef enum:  # OrderType
    ORDER_TYPE_LIMIT = 1
    ORDER_TYPE_MARKET = 2
    ORDER_TYPE_LIMIT_MAKER = 3

cdef enum:  # TimeInForce
    TIME_IN_FORCE_GTC = 1
    TIME_IN_FORCE_IOC = 2
    TIME_IN_FORCE_FOK = 3

cdef enum:  # Liquidity
    LIQUIDITY_NONE = 0
    LIQUIDITY_MAKER = 1
    LIQUIDITY_TAKER = 2

cdef enum:  # ReportKind
    REPORT_KIND_ACCEPTED = 1
    REPORT_KIND_FILL = 2
    REPORT_KIND_CANCELLED = 3
    REPORT_KIND_REPLACED = 4
    REPORT_KIND_REJECTED = 5
    REPORT_KIND_CANCEL_REJECTED = 6
    REPORT_KIND_EXPIRED = 7
    REPORT_KIND_UNKNOWN = 8
    REPORT_KIND_NOT_FOUND = 9

cdef enum:  # OrderState
    ORDER_STATE_NONE = 0
    ORDER_STATE_PENDING = 1
    ORDER_STATE_ACCEPTED = 2
    ORDER_STATE_PARTLY_FILLED = 3
    ORDER_STATE_FILLED = 4
    ORDER_STATE_CANCEL_PENDING = 5
    ORDER_STATE_CANCELLED = 6
    ORDER_STATE_REPLACE_PENDING = 7
    ORDER_STATE_REJECTED = 8
    ORDER_STATE_EXPIRED = 9
    ORDER_STATE_UNKNOWN = 10
    ORDER_STATE_REPLACED = 11

cdef enum:  # Command
    COMMAND_HALT = 1
    COMMAND_RESUME = 2
    COMMAND_FLATTEN = 3
    COMMAND_STOP = 4
    COMMAND_CANCEL_ALL = 5

cdef enum:  # RiskValue
    RISK_VALUE_REGIME = 1
    RISK_VALUE_VAR = 2
    RISK_VALUE_CVAR = 3
    RISK_VALUE_CORRELATION_MEAN = 4
    RISK_VALUE_CORRELATION_LARGEST = 5
    RISK_VALUE_VOLATILITY_RATIO = 6
    RISK_VALUE_QUALITY = 7

cdef enum:  # RiskRow
    RISK_ROW_VOLATILITY = 1
    RISK_ROW_MARGINAL_CVAR = 2
    RISK_ROW_CVAR_LONG = 3
    RISK_ROW_CVAR_SHORT = 4
    RISK_ROW_CORRELATION = 5

cdef enum:  # RiskMethod
    RISK_METHOD_PRIOR = 1
    RISK_METHOD_EWMA = 2
    RISK_METHOD_GARCH = 3
    RISK_METHOD_MIXED = 4

cdef enum:  # Refusal
    REFUSAL_NONE = 0
    REFUSAL_FRAME_MALFORMED = 1
    REFUSAL_FRAME_TOO_LARGE = 2
    REFUSAL_FRAME_UNKNOWN_STREAM = 3
    REFUSAL_FRAME_UNKNOWN_SYMBOL = 4
    REFUSAL_DECIMAL_INEXACT = 5
    REFUSAL_UPDATE_DUPLICATE = 6
    REFUSAL_UPDATE_BEFORE_SNAPSHOT = 7
    REFUSAL_BOOK_NOT_VALID = 20
    REFUSAL_STALE_DATA = 21
    REFUSAL_KILL_SWITCH = 22
    REFUSAL_PRICE_NOT_TICK = 23
    REFUSAL_PRICE_COLLAR = 24
    REFUSAL_QUANTITY_ZERO = 25
    REFUSAL_QUANTITY_TOO_LARGE = 26
    REFUSAL_ORDER_VALUE = 27
    REFUSAL_POSITION_LIMIT = 28
    REFUSAL_GROSS_NOTIONAL = 29
    REFUSAL_MESSAGE_RATE = 30
    REFUSAL_REPEATED_ORDER = 31
    REFUSAL_DAILY_LOSS = 32
    REFUSAL_OPEN_ORDERS = 33
    REFUSAL_INSTRUMENT_HALTED = 34
    REFUSAL_INSTRUMENT_UNKNOWN = 35
    REFUSAL_ARITHMETIC_OVERFLOW = 36
    REFUSAL_REDUCE_ONLY = 37
    REFUSAL_ORDER_VALUE_TOO_SMALL = 38
    REFUSAL_NO_REFERENCE_PRICE = 39
    REFUSAL_LIMIT_IMPOSSIBLE = 40
    REFUSAL_RISK_STALE = 41
    REFUSAL_RISK_RESULT_INVALID = 42
    REFUSAL_CVAR_LIMIT = 43
    REFUSAL_CVAR_UNDECIDED = 44
    REFUSAL_DRAWDOWN_SOFT = 45
    REFUSAL_DRAWDOWN_HARD = 46
    REFUSAL_LEVERAGE = 47
    REFUSAL_CONCENTRATION = 48
    REFUSAL_CORRELATION = 49
    REFUSAL_SIZE_ROUNDED_TO_ZERO = 50
    REFUSAL_ORDER_TABLE_FULL = 51
    REFUSAL_ORDER_UNKNOWN = 52
    REFUSAL_ORDER_NOT_CANCELLABLE = 53
    REFUSAL_ORDER_RING_FULL = 54
    REFUSAL_OUTBOX_FULL = 55
    REFUSAL_STRATEGY_FAILED = 56
    REFUSAL_FORECAST_MISSING = 57
    REFUSAL_SIZE_NO_EDGE = 58
    REFUSAL_VENUE_REJECTED = 70
    REFUSAL_VENUE_DISCONNECTED = 71
    REFUSAL_VENUE_RATE_LIMIT = 72
    REFUSAL_VENUE_INSUFFICIENT_BALANCE = 73
    REFUSAL_VENUE_WOULD_TAKE = 74
    REFUSAL_VENUE_FILTER = 75
    REFUSAL_VENUE_TIMEOUT = 76
    REFUSAL_VENUE_UNKNOWN_ORDER = 77
    REFUSAL_GATEWAY_HALTED = 78
    REFUSAL_GATEWAY_DUPLICATE_NUMBER = 79
    REFUSAL_JOURNAL_FULL = 90

cdef enum:
    SOURCE_SHIFT = 12

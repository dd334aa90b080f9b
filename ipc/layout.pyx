"""The proof that the two faces of the message are one: ipc/message.pxd (C) against ipc/messages.py (numpy).

`ipc.ring` calls `verify` at import, which raises ImportError naming the first difference.
"""

from ipc cimport message as c
from ipc.message cimport Message, OrderDetail, ReportDetail, VectorDetail

from ipc import messages

# Every enumerator of ipc/message.pxd as the C compiler sees it: {enumeration: {name: value}}. A new one goes into three
# files: messages.py, message.pxd and here.
ENUMERATORS = {
    "Kind": {
        "NONE": c.KIND_NONE, "LEVEL": c.KIND_LEVEL, "TRADE": c.KIND_TRADE, "QUOTE": c.KIND_QUOTE,
        "BOOK_STATE": c.KIND_BOOK_STATE, "TICK_CHANGE": c.KIND_TICK_CHANGE, "TRADING_STATUS": c.KIND_TRADING_STATUS,
        "FUNDING": c.KIND_FUNDING, "TIME": c.KIND_TIME, "LAPPED": c.KIND_LAPPED, "RING_FULL": c.KIND_RING_FULL,
        "COMMAND": c.KIND_COMMAND, "LIMIT": c.KIND_LIMIT, "MODEL": c.KIND_MODEL, "FORECAST": c.KIND_FORECAST,
        "RISK_BATCH": c.KIND_RISK_BATCH, "RISK_VALUE": c.KIND_RISK_VALUE, "RISK_ROW": c.KIND_RISK_ROW,
        "RISK_SCENARIOS": c.KIND_RISK_SCENARIOS,
        "REPORT": c.KIND_REPORT, "INTENT": c.KIND_INTENT, "SIZED": c.KIND_SIZED,
        "APPROVED": c.KIND_APPROVED, "ORDER": c.KIND_ORDER, "REFUSAL": c.KIND_REFUSAL, "CHECK": c.KIND_CHECK,
        "DETAIL": c.KIND_DETAIL,
    },
    "Flag": {
        "LAST": c.FLAG_LAST, "SNAPSHOT": c.FLAG_SNAPSHOT, "MORE": c.FLAG_MORE, "REPLAYED": c.FLAG_REPLAYED,
        "QUOTE_SIDE": c.FLAG_QUOTE_SIDE,
    },
    "Side": {
        "NONE": c.SIDE_NONE, "BID": c.SIDE_BID, "ASK": c.SIDE_ASK,
    },
    "Source": {
        "LOOP": c.SOURCE_LOOP, "MARKET": c.SOURCE_MARKET, "REPORTS": c.SOURCE_REPORTS, "COMMANDS": c.SOURCE_COMMANDS,
        "RESULTS": c.SOURCE_RESULTS, "RISK": c.SOURCE_RISK, "CORE": c.SOURCE_CORE,
    },
    "BookState": {
        "SYNCING": c.BOOK_STATE_SYNCING, "VALID": c.BOOK_STATE_VALID, "SUSPECT": c.BOOK_STATE_SUSPECT,
        "STALE": c.BOOK_STATE_STALE, "GAP": c.BOOK_STATE_GAP,
    },
    "BookReason": {
        "NONE": c.BOOK_REASON_NONE, "START": c.BOOK_REASON_START, "MISSING_UPDATE": c.BOOK_REASON_MISSING_UPDATE,
        "SNAPSHOT_TOO_OLD": c.BOOK_REASON_SNAPSHOT_TOO_OLD, "DISCONNECTED": c.BOOK_REASON_DISCONNECTED,
        "LAPPED": c.BOOK_REASON_LAPPED, "TICK_CHANGED": c.BOOK_REASON_TICK_CHANGED, "CROSSED": c.BOOK_REASON_CROSSED,
        "QUIET": c.BOOK_REASON_QUIET, "BBO_DISAGREES": c.BOOK_REASON_BBO_DISAGREES,
        "CAPACITY": c.BOOK_REASON_CAPACITY, "VENUE_HALTED": c.BOOK_REASON_VENUE_HALTED,
    },
    "Action": {
        "NEW": c.ACTION_NEW, "CANCEL": c.ACTION_CANCEL, "REPLACE": c.ACTION_REPLACE, "QUERY": c.ACTION_QUERY,
    },
    "OrderType": {
        "LIMIT": c.ORDER_TYPE_LIMIT, "MARKET": c.ORDER_TYPE_MARKET, "LIMIT_MAKER": c.ORDER_TYPE_LIMIT_MAKER,
    },
    "TimeInForce": {
        "GTC": c.TIME_IN_FORCE_GTC, "IOC": c.TIME_IN_FORCE_IOC, "FOK": c.TIME_IN_FORCE_FOK,
    },
    "Liquidity": {
        "NONE": c.LIQUIDITY_NONE, "MAKER": c.LIQUIDITY_MAKER, "TAKER": c.LIQUIDITY_TAKER,
    },
    "ReportKind": {
        "ACCEPTED": c.REPORT_KIND_ACCEPTED, "FILL": c.REPORT_KIND_FILL, "CANCELLED": c.REPORT_KIND_CANCELLED,
        "REPLACED": c.REPORT_KIND_REPLACED, "REJECTED": c.REPORT_KIND_REJECTED,
        "CANCEL_REJECTED": c.REPORT_KIND_CANCEL_REJECTED, "EXPIRED": c.REPORT_KIND_EXPIRED,
        "UNKNOWN": c.REPORT_KIND_UNKNOWN, "NOT_FOUND": c.REPORT_KIND_NOT_FOUND,
    },
    "OrderState": {
        "NONE": c.ORDER_STATE_NONE, "PENDING": c.ORDER_STATE_PENDING, "ACCEPTED": c.ORDER_STATE_ACCEPTED,
        "PARTLY_FILLED": c.ORDER_STATE_PARTLY_FILLED, "FILLED": c.ORDER_STATE_FILLED,
        "CANCEL_PENDING": c.ORDER_STATE_CANCEL_PENDING, "CANCELLED": c.ORDER_STATE_CANCELLED,
        "REPLACE_PENDING": c.ORDER_STATE_REPLACE_PENDING, "REJECTED": c.ORDER_STATE_REJECTED,
        "EXPIRED": c.ORDER_STATE_EXPIRED, "UNKNOWN": c.ORDER_STATE_UNKNOWN, "REPLACED": c.ORDER_STATE_REPLACED,
    },
    "Command": {
        "HALT": c.COMMAND_HALT, "RESUME": c.COMMAND_RESUME, "FLATTEN": c.COMMAND_FLATTEN, "STOP": c.COMMAND_STOP,
        "CANCEL_ALL": c.COMMAND_CANCEL_ALL,
    },
    "RiskValue": {
        "REGIME": c.RISK_VALUE_REGIME, "VAR": c.RISK_VALUE_VAR, "CVAR": c.RISK_VALUE_CVAR,
        "CORRELATION_MEAN": c.RISK_VALUE_CORRELATION_MEAN, "CORRELATION_LARGEST": c.RISK_VALUE_CORRELATION_LARGEST,
        "VOLATILITY_RATIO": c.RISK_VALUE_VOLATILITY_RATIO, "QUALITY": c.RISK_VALUE_QUALITY,
    },
    "RiskRow": {
        "VOLATILITY": c.RISK_ROW_VOLATILITY, "MARGINAL_CVAR": c.RISK_ROW_MARGINAL_CVAR,
        "CVAR_LONG": c.RISK_ROW_CVAR_LONG, "CVAR_SHORT": c.RISK_ROW_CVAR_SHORT, "CORRELATION": c.RISK_ROW_CORRELATION,
    },
    "RiskMethod": {
        "PRIOR": c.RISK_METHOD_PRIOR, "EWMA": c.RISK_METHOD_EWMA, "GARCH": c.RISK_METHOD_GARCH,
        "MIXED": c.RISK_METHOD_MIXED,
    },
    "Refusal": {
        "NONE": c.REFUSAL_NONE, "FRAME_MALFORMED": c.REFUSAL_FRAME_MALFORMED,
        "FRAME_TOO_LARGE": c.REFUSAL_FRAME_TOO_LARGE, "FRAME_UNKNOWN_STREAM": c.REFUSAL_FRAME_UNKNOWN_STREAM,
        "FRAME_UNKNOWN_SYMBOL": c.REFUSAL_FRAME_UNKNOWN_SYMBOL, "DECIMAL_INEXACT": c.REFUSAL_DECIMAL_INEXACT,
        "UPDATE_DUPLICATE": c.REFUSAL_UPDATE_DUPLICATE, "UPDATE_BEFORE_SNAPSHOT": c.REFUSAL_UPDATE_BEFORE_SNAPSHOT,
        "BOOK_NOT_VALID": c.REFUSAL_BOOK_NOT_VALID, "STALE_DATA": c.REFUSAL_STALE_DATA,
        "KILL_SWITCH": c.REFUSAL_KILL_SWITCH, "PRICE_NOT_TICK": c.REFUSAL_PRICE_NOT_TICK,
        "PRICE_COLLAR": c.REFUSAL_PRICE_COLLAR, "QUANTITY_ZERO": c.REFUSAL_QUANTITY_ZERO,
        "QUANTITY_TOO_LARGE": c.REFUSAL_QUANTITY_TOO_LARGE, "ORDER_VALUE": c.REFUSAL_ORDER_VALUE,
        "POSITION_LIMIT": c.REFUSAL_POSITION_LIMIT, "GROSS_NOTIONAL": c.REFUSAL_GROSS_NOTIONAL,
        "MESSAGE_RATE": c.REFUSAL_MESSAGE_RATE, "REPEATED_ORDER": c.REFUSAL_REPEATED_ORDER,
        "DAILY_LOSS": c.REFUSAL_DAILY_LOSS, "OPEN_ORDERS": c.REFUSAL_OPEN_ORDERS,
        "INSTRUMENT_HALTED": c.REFUSAL_INSTRUMENT_HALTED, "INSTRUMENT_UNKNOWN": c.REFUSAL_INSTRUMENT_UNKNOWN,
        "ARITHMETIC_OVERFLOW": c.REFUSAL_ARITHMETIC_OVERFLOW, "REDUCE_ONLY": c.REFUSAL_REDUCE_ONLY,
        "ORDER_VALUE_TOO_SMALL": c.REFUSAL_ORDER_VALUE_TOO_SMALL, "NO_REFERENCE_PRICE": c.REFUSAL_NO_REFERENCE_PRICE,
        "LIMIT_IMPOSSIBLE": c.REFUSAL_LIMIT_IMPOSSIBLE, "RISK_STALE": c.REFUSAL_RISK_STALE,
        "RISK_RESULT_INVALID": c.REFUSAL_RISK_RESULT_INVALID, "CVAR_LIMIT": c.REFUSAL_CVAR_LIMIT,
        "CVAR_UNDECIDED": c.REFUSAL_CVAR_UNDECIDED, "DRAWDOWN_SOFT": c.REFUSAL_DRAWDOWN_SOFT,
        "DRAWDOWN_HARD": c.REFUSAL_DRAWDOWN_HARD, "LEVERAGE": c.REFUSAL_LEVERAGE,
        "CONCENTRATION": c.REFUSAL_CONCENTRATION, "CORRELATION": c.REFUSAL_CORRELATION,
        "SIZE_ROUNDED_TO_ZERO": c.REFUSAL_SIZE_ROUNDED_TO_ZERO, "ORDER_TABLE_FULL": c.REFUSAL_ORDER_TABLE_FULL,
        "ORDER_UNKNOWN": c.REFUSAL_ORDER_UNKNOWN, "ORDER_NOT_CANCELLABLE": c.REFUSAL_ORDER_NOT_CANCELLABLE,
        "ORDER_RING_FULL": c.REFUSAL_ORDER_RING_FULL, "OUTBOX_FULL": c.REFUSAL_OUTBOX_FULL,
        "STRATEGY_FAILED": c.REFUSAL_STRATEGY_FAILED, "FORECAST_MISSING": c.REFUSAL_FORECAST_MISSING,
        "SIZE_NO_EDGE": c.REFUSAL_SIZE_NO_EDGE,
        "VENUE_REJECTED": c.REFUSAL_VENUE_REJECTED, "VENUE_DISCONNECTED": c.REFUSAL_VENUE_DISCONNECTED,
        "VENUE_RATE_LIMIT": c.REFUSAL_VENUE_RATE_LIMIT,
        "VENUE_INSUFFICIENT_BALANCE": c.REFUSAL_VENUE_INSUFFICIENT_BALANCE,
        "VENUE_WOULD_TAKE": c.REFUSAL_VENUE_WOULD_TAKE, "VENUE_FILTER": c.REFUSAL_VENUE_FILTER,
        "VENUE_TIMEOUT": c.REFUSAL_VENUE_TIMEOUT, "VENUE_UNKNOWN_ORDER": c.REFUSAL_VENUE_UNKNOWN_ORDER,
        "GATEWAY_HALTED": c.REFUSAL_GATEWAY_HALTED, "GATEWAY_DUPLICATE_NUMBER": c.REFUSAL_GATEWAY_DUPLICATE_NUMBER,
        "JOURNAL_FULL": c.REFUSAL_JOURNAL_FULL,
    },
}

cdef Message m
cdef char *m_at = <char *> &m
# Offset and bytes of each field of Message.
MESSAGE_FIELDS = {
    "sequence": (<char *> &m.sequence - m_at, sizeof(m.sequence)),
    "event_time_ns": (<char *> &m.event_time_ns - m_at, sizeof(m.event_time_ns)),
    "receive_time_ns": (<char *> &m.receive_time_ns - m_at, sizeof(m.receive_time_ns)),
    "instrument": (<char *> &m.instrument - m_at, sizeof(m.instrument)),
    "kind": (<char *> &m.kind - m_at, sizeof(m.kind)),
    "side": (<char *> &m.side - m_at, sizeof(m.side)),
    "flags": (<char *> &m.flags - m_at, sizeof(m.flags)),
    "price_ticks": (<char *> &m.price_ticks - m_at, sizeof(m.price_ticks)),
    "quantity_lots": (<char *> &m.quantity_lots - m_at, sizeof(m.quantity_lots)),
    "order_id": (<char *> &m.order_id - m_at, sizeof(m.order_id)),
    "extra": (<char *> &m.extra - m_at, sizeof(m.extra)),
}

cdef OrderDetail o
cdef char *o_at = <char *> &o
# Offset and bytes of each field of OrderDetail.
ORDER_DETAIL_FIELDS = {
    "sequence": (<char *> &o.sequence - o_at, sizeof(o.sequence)),
    "event_time_ns": (<char *> &o.event_time_ns - o_at, sizeof(o.event_time_ns)),
    "receive_time_ns": (<char *> &o.receive_time_ns - o_at, sizeof(o.receive_time_ns)),
    "instrument": (<char *> &o.instrument - o_at, sizeof(o.instrument)),
    "kind": (<char *> &o.kind - o_at, sizeof(o.kind)),
    "action": (<char *> &o.action - o_at, sizeof(o.action)),
    "flags": (<char *> &o.flags - o_at, sizeof(o.flags)),
    "cause_sequence": (<char *> &o.cause_sequence - o_at, sizeof(o.cause_sequence)),
    "strategy": (<char *> &o.strategy - o_at, sizeof(o.strategy)),
    "order_type": (<char *> &o.order_type - o_at, sizeof(o.order_type)),
    "time_in_force": (<char *> &o.time_in_force - o_at, sizeof(o.time_in_force)),
    "reduce_only": (<char *> &o.reduce_only - o_at, sizeof(o.reduce_only)),
    "cause_source": (<char *> &o.cause_source - o_at, sizeof(o.cause_source)),
    "target_order_id": (<char *> &o.target_order_id - o_at, sizeof(o.target_order_id)),
    "tag": (<char *> &o.tag - o_at, sizeof(o.tag)),
}

cdef ReportDetail r
cdef char *r_at = <char *> &r
# Offset and bytes of each field of ReportDetail.
REPORT_DETAIL_FIELDS = {
    "sequence": (<char *> &r.sequence - r_at, sizeof(r.sequence)),
    "event_time_ns": (<char *> &r.event_time_ns - r_at, sizeof(r.event_time_ns)),
    "receive_time_ns": (<char *> &r.receive_time_ns - r_at, sizeof(r.receive_time_ns)),
    "instrument": (<char *> &r.instrument - r_at, sizeof(r.instrument)),
    "kind": (<char *> &r.kind - r_at, sizeof(r.kind)),
    "liquidity": (<char *> &r.liquidity - r_at, sizeof(r.liquidity)),
    "flags": (<char *> &r.flags - r_at, sizeof(r.flags)),
    "venue_order_id": (<char *> &r.venue_order_id - r_at, sizeof(r.venue_order_id)),
    "trade_id": (<char *> &r.trade_id - r_at, sizeof(r.trade_id)),
    "fee_atoms": (<char *> &r.fee_atoms - r_at, sizeof(r.fee_atoms)),
    "cumulative_lots": (<char *> &r.cumulative_lots - r_at, sizeof(r.cumulative_lots)),
}

cdef VectorDetail v
cdef char *v_at = <char *> &v
# Offset and bytes of each field of VectorDetail.
VECTOR_DETAIL_FIELDS = {
    "sequence": (<char *> &v.sequence - v_at, sizeof(v.sequence)),
    "event_time_ns": (<char *> &v.event_time_ns - v_at, sizeof(v.event_time_ns)),
    "receive_time_ns": (<char *> &v.receive_time_ns - v_at, sizeof(v.receive_time_ns)),
    "instrument": (<char *> &v.instrument - v_at, sizeof(v.instrument)),
    "kind": (<char *> &v.kind - v_at, sizeof(v.kind)),
    "side": (<char *> &v.side - v_at, sizeof(v.side)),
    "flags": (<char *> &v.flags - v_at, sizeof(v.flags)),
    "values": (<char *> &v.values - v_at, sizeof(v.values)),
}


def verify():
    """Raises ImportError when a size, an offset or a value differs."""
    for name, fields, size, dtype in (
        ("Message", MESSAGE_FIELDS, sizeof(Message), messages.MESSAGE),
        ("OrderDetail", ORDER_DETAIL_FIELDS, sizeof(OrderDetail), messages.ORDER_DETAIL),
        ("ReportDetail", REPORT_DETAIL_FIELDS, sizeof(ReportDetail), messages.REPORT_DETAIL),
        ("VectorDetail", VECTOR_DETAIL_FIELDS, sizeof(VectorDetail), messages.VECTOR_DETAIL),
    ):
        numpy_fields = {field: (offset, kind.itemsize) for field, (kind, offset) in dtype.fields.items()}
        if size != dtype.itemsize or fields != numpy_fields:
            raise ImportError(f"{name} differs: message.pxd {size} bytes, {fields}; messages.py {numpy_fields}")
    for name, values in ENUMERATORS.items():
        members = {member.name: int(member) for member in getattr(messages, name)}
        if values != members:
            different = sorted(set(values.items()) ^ set(members.items()))
            raise ImportError(f"{name} differs: {different}; mend messages.py, message.pxd or layout.pyx and build")
    if c.SOURCE_SHIFT != messages.SOURCE_SHIFT:
        raise ImportError(f"SOURCE_SHIFT differs: {c.SOURCE_SHIFT} and {messages.SOURCE_SHIFT}")

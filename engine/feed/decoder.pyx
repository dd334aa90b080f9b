"""Raw Binance frames to messages: one pass of a plain C scan over the bytes, no Python object on the way.

A frame is a combined-stream envelope, a bare event, or a REST depth snapshot; keys may come in any order, unknown ones
are skipped. Prices become ticks and quantities lots exactly, or the frame is refused. A refused frame leaves no record.
The rules in slow, obvious form: engine/feed/reference.py; one property test holds the two together.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memcpy, memset
from ipc.message cimport (
    FLAG_LAST, FLAG_MORE, FLAG_QUOTE_SIDE, FLAG_SNAPSHOT, KIND_FUNDING, KIND_LEVEL, KIND_QUOTE, KIND_TRADE, Message,
    REFUSAL_FRAME_MALFORMED, REFUSAL_FRAME_TOO_LARGE, REFUSAL_FRAME_UNKNOWN_STREAM, REFUSAL_FRAME_UNKNOWN_SYMBOL,
    REFUSAL_NONE, SIDE_ASK, SIDE_BID,
)
from engine.feed.fields cimport *
from engine.feed.levels cimport Output, Reading, add_record, read_levels, read_object
from engine.feed.scan cimport Cursor, DIGIT_LIMIT, next_is, skip_space

from typing import NamedTuple

import numpy as np

from ipc.instruments import INSTRUMENT, Contract
from ipc.messages import MESSAGE

DECODER_VERSION = 1  # part of the key of imported tapes: raise it whenever the same bytes give other messages

cdef int64_t MILLISECOND_NS = 1_000_000
cdef int64_t SPOT = Contract.SPOT
cdef int64_t TIME_LIMIT_MS = 9_223_372_036_854  # above it nanoseconds leave an int64


class DecodedFrame(NamedTuple):
    """What a frame was: engine/feed/decoder.pxd, struct Frame."""

    type: int
    instrument: int
    first_update_id: int
    last_update_id: int
    previous_update_id: int
    event_time_ns: int
    records: int
    refusal: int
    offset: int


# -- events ----------------------------------------------------------------------------------------------------------

cdef inline int64_t refuse(Frame *frame, int64_t code, const Cursor *at) noexcept nogil:
    """The offset is kept as an address until decode_frame subtracts the start."""
    frame.refusal = code
    frame.offset = <int64_t> at.at
    return code


cdef int64_t frame_type(const Fields *fields) noexcept nogil:
    cdef const Cursor *event = &fields.value[FIELD_EVENT]
    if fields.value[FIELD_LAST_UPDATE].at != NULL:
        return FRAME_SNAPSHOT
    if event.at == NULL:  # the spot bookTicker does not name itself
        if fields.value[FIELD_UPDATE].at != NULL and fields.value[FIELD_BID_QUANTITY].at != NULL:
            return FRAME_QUOTE
        return FRAME_NONE
    if text_is(event, b"depthUpdate", 11):
        return FRAME_DEPTH
    if text_is(event, b"bookTicker", 10):
        return FRAME_QUOTE
    if text_is(event, b"trade", 5) or text_is(event, b"aggTrade", 8):
        return FRAME_TRADE
    if text_is(event, b"markPriceUpdate", 15):
        return FRAME_FUNDING
    return FRAME_NONE


cdef int64_t take_side(Fields *fields, int64_t field, const Symbol *symbol, int side, int flags, Frame *frame,
                       Output *output) noexcept nogil:
    cdef Cursor cursor = fields.value[field]
    cdef int64_t code
    if cursor.at == NULL:
        return refuse(frame, REFUSAL_FRAME_MALFORMED, &cursor)
    code = read_levels(&cursor, symbol, side, flags, output)
    return refuse(frame, code, &cursor) if code != REFUSAL_NONE else REFUSAL_NONE


cdef int64_t take_levels(Fields *fields, int64_t bids, int64_t asks, const Symbol *symbol, int flags, Frame *frame,
                         Output *output) noexcept nogil:
    """Both sides, bids before asks: as they were read in passing if so they were, else from the start."""
    cdef int64_t code, i
    cdef Message *record
    if not (fields.levels[bids] >= 0 and fields.levels[asks] >= 0 and fields.first[bids] == 0
            and fields.first[asks] == fields.levels[bids]
            and output.count == fields.levels[bids] + fields.levels[asks]):
        output.count = 0
        code = take_side(fields, bids, symbol, SIDE_BID, flags, frame, output)
        if code == REFUSAL_NONE:
            code = take_side(fields, asks, symbol, SIDE_ASK, flags, frame, output)
        if code != REFUSAL_NONE:
            return code
    if output.count == 0:  # no level: the deletion of a price that no venue quotes carries the update id
        add_record(output, symbol, KIND_LEVEL, SIDE_BID, flags)
    for i in range(output.count):
        record = output.records + i
        record.event_time_ns = frame.event_time_ns
        record.order_id = frame.last_update_id
    output.records[output.count - 1].flags |= FLAG_LAST
    return REFUSAL_NONE


cdef int64_t take_depth(Fields *fields, const Symbol *symbol, bint has_previous, Frame *frame,
                        Output *output) noexcept nogil:
    if not read_integer(&fields.value[FIELD_FIRST_UPDATE], POWER[DIGIT_LIMIT], &frame.first_update_id):
        return refuse(frame, REFUSAL_FRAME_MALFORMED, &fields.value[FIELD_FIRST_UPDATE])
    if not read_integer(&fields.value[FIELD_UPDATE], POWER[DIGIT_LIMIT], &frame.last_update_id):
        return refuse(frame, REFUSAL_FRAME_MALFORMED, &fields.value[FIELD_UPDATE])
    if has_previous and not read_integer(
        &fields.value[FIELD_PREVIOUS_UPDATE], POWER[DIGIT_LIMIT], &frame.previous_update_id
    ):
        return refuse(frame, REFUSAL_FRAME_MALFORMED, &fields.value[FIELD_PREVIOUS_UPDATE])
    return take_levels(fields, FIELD_BID, FIELD_ASK, symbol, 0, frame, output)


cdef int64_t take_snapshot(Fields *fields, const Symbol *symbol, Frame *frame, Output *output) noexcept nogil:
    if not read_integer(&fields.value[FIELD_LAST_UPDATE], POWER[DIGIT_LIMIT], &frame.last_update_id):
        return refuse(frame, REFUSAL_FRAME_MALFORMED, &fields.value[FIELD_LAST_UPDATE])
    frame.first_update_id = frame.last_update_id
    return take_levels(fields, FIELD_BIDS, FIELD_ASKS, symbol, FLAG_SNAPSHOT, frame, output)


cdef int64_t take_units(Fields *fields, int64_t field, int64_t mantissa, int64_t exponent, Frame *frame,
                        int64_t *units) noexcept nogil:
    cdef Cursor cursor = fields.value[field]
    cdef int64_t code
    if cursor.at == NULL:
        return refuse(frame, REFUSAL_FRAME_MALFORMED, &cursor)
    code = read_units(&cursor, mantissa, exponent, units)
    return refuse(frame, code, &cursor) if code != REFUSAL_NONE else REFUSAL_NONE


cdef int64_t take_price_quantity(Fields *fields, int64_t price, int64_t quantity, const Symbol *symbol, Frame *frame,
                                 Message *record) noexcept nogil:
    cdef int64_t code = take_units(
        fields, price, symbol.tick_mantissa, symbol.tick_exponent, frame, &record.price_ticks)
    if code == REFUSAL_NONE:
        code = take_units(
            fields, quantity, symbol.lot_mantissa, symbol.lot_exponent, frame, &record.quantity_lots)
    record.order_id = frame.last_update_id
    record.event_time_ns = frame.event_time_ns
    return code


cdef int64_t take_trade(Fields *fields, const Symbol *symbol, Frame *frame, Output *output) noexcept nogil:
    """trade names its id t, aggTrade a. m: the buyer was the maker, so a seller took."""
    cdef Cursor *maker = &fields.value[FIELD_BUYER_IS_MAKER]
    cdef int64_t id_field = FIELD_TRADE_ID if fields.value[FIELD_EVENT].at[1] == c't' else FIELD_ASK
    cdef Message *record
    if not read_integer(&fields.value[id_field], POWER[DIGIT_LIMIT], &frame.last_update_id):
        return refuse(frame, REFUSAL_FRAME_MALFORMED, &fields.value[id_field])
    if maker.at == NULL or (maker.at[0] != c't' and maker.at[0] != c'f'):
        return refuse(frame, REFUSAL_FRAME_MALFORMED, maker)
    record = add_record(output, symbol, KIND_TRADE, SIDE_ASK if maker.at[0] == c't' else SIDE_BID, FLAG_LAST)
    return take_price_quantity(fields, FIELD_PRICE, FIELD_QUANTITY, symbol, frame, record)


cdef int64_t take_quote(Fields *fields, const Symbol *symbol, Frame *frame, Output *output) noexcept nogil:
    """Both records carry LAST: the loop looks at the head of a message, a reader of single records at its end."""
    cdef Message *bid
    cdef Message *ask
    cdef int64_t code
    if not read_integer(&fields.value[FIELD_UPDATE], POWER[DIGIT_LIMIT], &frame.last_update_id):
        return refuse(frame, REFUSAL_FRAME_MALFORMED, &fields.value[FIELD_UPDATE])
    bid = add_record(output, symbol, KIND_QUOTE, SIDE_BID, FLAG_MORE | FLAG_LAST)
    ask = add_record(output, symbol, KIND_QUOTE, SIDE_ASK, FLAG_QUOTE_SIDE | FLAG_LAST)
    code = take_price_quantity(fields, FIELD_BID, FIELD_BID_QUANTITY, symbol, frame, bid)
    if code == REFUSAL_NONE:
        code = take_price_quantity(fields, FIELD_ASK, FIELD_ASK_QUANTITY, symbol, frame, ask)
    return code


cdef int64_t take_funding(Fields *fields, const Symbol *symbol, Frame *frame, Output *output) noexcept nogil:
    """The mark price is an index with eight decimals, no price of an order: it goes to the nearest tick, halves up."""
    cdef int64_t places = symbol.tick_exponent if symbol.tick_exponent > 8 else 8
    cdef int64_t tick = symbol.tick_mantissa * POWER[places - symbol.tick_exponent]
    cdef Message *record = add_record(output, symbol, KIND_FUNDING, 0, FLAG_LAST)
    cdef Cursor rate = fields.value[FIELD_RATE]
    cdef int64_t next_time_ms, sign = 1, code
    record.event_time_ns = frame.event_time_ns
    code = take_units(fields, FIELD_PRICE, 1, places, frame, &record.price_ticks)
    if code != REFUSAL_NONE:
        return code
    record.price_ticks = (record.price_ticks + tick // 2) // tick
    if not read_integer(&fields.value[FIELD_NEXT_TIME], TIME_LIMIT_MS, &next_time_ms):
        return refuse(frame, REFUSAL_FRAME_MALFORMED, &fields.value[FIELD_NEXT_TIME])
    record.quantity_lots = next_time_ms * MILLISECOND_NS
    if text_is(&fields.value[FIELD_RATE], b"", 0):  # a delivery contract has none
        return REFUSAL_NONE
    if rate.at == NULL or rate.at[0] != c'"':
        return refuse(frame, REFUSAL_FRAME_MALFORMED, &rate)
    rate.at += 1
    if next_is(&rate, c'-'):
        sign = -1
        rate.at += 1
    code = read_decimal(&rate, 8, &record.extra)
    record.extra *= sign
    return refuse(frame, code, &rate) if code != REFUSAL_NONE else REFUSAL_NONE


cdef int64_t take_event(Fields *fields, Reading *reading, bint has_previous, Frame *frame) noexcept nogil:
    """Fields of a frame known to be JSON, to records."""
    cdef const Symbol *symbol = fields.symbol
    cdef const Cursor *time = &fields.value[FIELD_EVENT_TIME]
    cdef int64_t time_ms = 0
    frame.type = frame_type(fields)
    if frame.type == FRAME_NONE:
        return refuse(frame, REFUSAL_FRAME_UNKNOWN_STREAM, &fields.value[FIELD_EVENT])
    if frame.type == FRAME_SNAPSHOT:
        symbol = find_symbol(reading.symbols, &fields.value[FIELD_SNAPSHOT_SYMBOL])
        if reading.hint != NULL and (symbol == reading.hint or fields.value[FIELD_SNAPSHOT_SYMBOL].at == NULL):
            symbol = reading.hint
        elif reading.hint != NULL:
            symbol = NULL
    if symbol == NULL:
        return refuse(frame, REFUSAL_FRAME_UNKNOWN_SYMBOL, &fields.value[FIELD_SYMBOL])
    frame.instrument = symbol.instrument
    if time.at != NULL and not read_integer(time, TIME_LIMIT_MS, &time_ms):
        return refuse(frame, REFUSAL_FRAME_MALFORMED, time)
    frame.event_time_ns = time_ms * MILLISECOND_NS
    if frame.type == FRAME_DEPTH:
        return take_depth(fields, symbol, has_previous, frame, &reading.output)
    if frame.type == FRAME_SNAPSHOT:
        return take_snapshot(fields, symbol, frame, &reading.output)
    reading.output.count = 0
    if frame.type == FRAME_TRADE:
        return take_trade(fields, symbol, frame, &reading.output)
    if frame.type == FRAME_QUOTE:
        return take_quote(fields, symbol, frame, &reading.output)
    return take_funding(fields, symbol, frame, &reading.output)

# -- the decoder -----------------------------------------------------------------------------------------------------

cdef inline void clear_fields(Fields *fields) noexcept nogil:
    memset(fields.value, 0, sizeof(fields.value))
    memset(fields.levels, 0xFF, sizeof(fields.levels))
    fields.symbol = NULL


cdef class Decoder:
    """Decodes the frames of one market (Contract.SPOT, LINEAR or INVERSE) of Binance.

    instruments: the whole table, dtype INSTRUMENT, shape (n,); rows of other contracts are not known to this decoder.
    Raises ValueError for a table it cannot serve.
    """

    def __init__(self, instruments, int64_t contract, *, int64_t max_frame_bytes=1 << 20, int64_t capacity=10_240):
        if capacity < 2 or max_frame_bytes < 2:
            raise ValueError("capacity and max_frame_bytes must be at least 2")
        self.contract = contract
        self.max_frame_bytes = max_frame_bytes
        self.capacity = capacity
        self.rows = len(instruments)
        self._records = np.zeros(capacity, dtype=MESSAGE)
        slots = np.zeros(SYMBOL_SLOTS * sizeof(Symbol), dtype=np.uint8)
        slot_of_row = np.full(max(1, self.rows), -1, dtype=np.int64)
        self._owners = (slots, slot_of_row)
        cdef char[::1] out = self._records.view(np.int8)
        cdef char[::1] slot_bytes = slots.view(np.int8)
        cdef int64_t[::1] row_slots = slot_of_row
        self.out = <Message *> &out[0]
        self.symbols = <Symbol *> &slot_bytes[0]
        self.slot_of_row = &row_slots[0]
        table = np.asarray(instruments, dtype=INSTRUMENT)
        mine = [row for row in range(self.rows) if table[row]["contract"] == contract]
        if len(mine) > SYMBOL_SLOTS // 4:
            raise ValueError(f"{len(mine)} symbols of one market, a decoder takes {SYMBOL_SLOTS // 4}")
        for row in mine:
            self._add_symbol(table[row], row)

    cdef int _add_symbol(self, object entry, int64_t row) except -1:
        cdef Symbol symbol
        cdef bytes text = bytes(entry["symbol"])
        cdef uint32_t slot
        memset(&symbol, 0, sizeof(Symbol))
        symbol.size = len(text)
        symbol.instrument = row
        symbol.tick_mantissa, symbol.tick_exponent = int(entry["tick_mantissa"]), int(entry["tick_exponent"])
        symbol.lot_mantissa, symbol.lot_exponent = int(entry["lot_mantissa"]), int(entry["lot_exponent"])
        if symbol.size < 1 or symbol.tick_mantissa < 1 or symbol.lot_mantissa < 1:
            raise ValueError(f"instrument {row}: symbol, tick and lot must not be empty or zero")
        if not (0 <= symbol.tick_exponent <= 12 and 0 <= symbol.lot_exponent <= 12):
            raise ValueError(f"instrument {row}: tick and lot have at most 12 decimals")
        if symbol.tick_mantissa > 1_000_000 or symbol.lot_mantissa > 1_000_000_000:
            raise ValueError(f"instrument {row}: tick or lot is out of range")
        memcpy(symbol.text, PyBytes_AS_STRING(text), symbol.size)
        slot = symbol_slot(symbol.text, symbol.size)
        while self.symbols[slot].size != 0:
            if bytes(self.symbols[slot].text[: self.symbols[slot].size]) == text:
                raise ValueError(f"symbol {text.decode()} twice in one market")
            slot = (slot + 1) % SYMBOL_SLOTS
        self.symbols[slot] = symbol
        self.slot_of_row[row] = slot
        return 0

    cdef int64_t decode_frame(
        self, const char *data, int64_t size, int64_t receive_time_ns, int64_t instrument, Frame *frame
    ) noexcept nogil:
        cdef Fields outer, inner
        cdef Fields *event = &outer
        cdef Reading reading
        cdef Cursor cursor
        frame.type = FRAME_NONE
        frame.instrument = frame.previous_update_id = -1
        frame.first_update_id = frame.last_update_id = frame.event_time_ns = 0
        frame.records = frame.refusal = frame.offset = 0
        if size > self.max_frame_bytes:
            frame.offset = self.max_frame_bytes
            frame.refusal = REFUSAL_FRAME_TOO_LARGE
            return frame.refusal
        clear_fields(&outer)
        clear_fields(&inner)
        cursor.at, cursor.end = data, data + size
        reading.symbols = self.symbols
        reading.hint = NULL
        if 0 <= instrument < self.rows and self.slot_of_row[instrument] >= 0:
            reading.hint = self.symbols + self.slot_of_row[instrument]
        reading.output.records, reading.output.capacity, reading.output.count = self.out, self.capacity, 0
        reading.output.receive_time_ns = receive_time_ns
        if read_object(&cursor, &outer, &inner, &reading):
            skip_space(&cursor)
            if cursor.at == cursor.end:
                if outer.value[FIELD_DATA].at != NULL and outer.value[FIELD_DATA].at[0] == c'{':
                    event = &inner
                take_event(event, &reading, self.contract != SPOT, frame)
            else:
                refuse(frame, REFUSAL_FRAME_MALFORMED, &cursor)
        else:
            refuse(frame, REFUSAL_FRAME_MALFORMED, &cursor)
        if frame.refusal == REFUSAL_NONE:
            frame.records = reading.output.count
        else:
            frame.offset = frame.offset - <int64_t> data if frame.offset != 0 else 0
        return frame.refusal

    # -- for Python --

    def decode(self, frame, int64_t receive_time_ns, int64_t instrument=-1):
        """What a frame was and its records: (DecodedFrame, MESSAGE array of shape (records,), a copy).

        frame: bytes-like. instrument: the row that a REST snapshot was asked for.
        """
        cdef Py_buffer data
        cdef Frame decoded
        PyObject_GetBuffer(frame, &data, PyBUF_SIMPLE)
        with nogil:
            self.decode_frame(<const char *> data.buf, data.len, receive_time_ns, instrument, &decoded)
        PyBuffer_Release(&data)
        return (
            DecodedFrame(
                decoded.type, decoded.instrument, decoded.first_update_id, decoded.last_update_id,
                decoded.previous_update_id, decoded.event_time_ns, decoded.records, decoded.refusal, decoded.offset,
            ),
            self._records[: decoded.records].copy(),
        )

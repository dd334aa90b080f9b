# One object of a frame: where its fields stand, and, in the same pass, the levels of a book as records.
from libc.stdint cimport int64_t, uint32_t
from ipc.message cimport (
    FLAG_SNAPSHOT, KIND_LEVEL, Message, REFUSAL_FRAME_MALFORMED, REFUSAL_FRAME_TOO_LARGE, REFUSAL_NONE, SIDE_ASK,
    SIDE_BID, SOURCE_MARKET,
)
from engine.feed.fields cimport *
from engine.feed.scan cimport Cursor, next_is, skip_space, skip_string, skip_value, take

cdef enum:
    SOURCE_FLAGS = SOURCE_MARKET << 12

cdef struct Output:
    Message *records
    int64_t count
    int64_t capacity
    int64_t receive_time_ns

cdef inline Message *add_record(
    Output *output, const Symbol *symbol, int kind, int side, int flags,
) noexcept nogil:
    """The next record, its header filled but for the venue's time; NULL when the frame has too many."""
    cdef Message *record
    if output.count == output.capacity:
        return NULL
    record = output.records + output.count
    output.count += 1
    record.sequence = 0
    record.event_time_ns = 0
    record.receive_time_ns = output.receive_time_ns
    record.instrument = <uint32_t> symbol.instrument
    record.kind = kind
    record.side = side
    record.flags = SOURCE_FLAGS | flags
    record.price_ticks = record.quantity_lots = record.order_id = record.extra = 0
    return record

cdef inline int64_t read_level(Cursor *cursor, const Symbol *symbol, Message *record) noexcept nogil:
    """["price","quantity"]; further elements are skipped. Returns a refusal code."""
    cdef int64_t code
    if not take(cursor, c'['):
        return REFUSAL_FRAME_MALFORMED
    skip_space(cursor)
    code = read_units(cursor, symbol.tick_mantissa, symbol.tick_exponent, &record.price_ticks)
    if code != REFUSAL_NONE:
        return code
    if not take(cursor, c','):
        return REFUSAL_FRAME_MALFORMED
    skip_space(cursor)
    code = read_units(cursor, symbol.lot_mantissa, symbol.lot_exponent, &record.quantity_lots)
    if code != REFUSAL_NONE:
        return code
    skip_space(cursor)
    while next_is(cursor, c','):
        cursor.at += 1
        if not skip_value(cursor):
            return REFUSAL_FRAME_MALFORMED
        skip_space(cursor)
    return REFUSAL_NONE if take(cursor, c']') else REFUSAL_FRAME_MALFORMED

cdef inline int64_t read_levels(
    Cursor *cursor, const Symbol *symbol, int side, int flags, Output *output
) noexcept nogil:
    """One side of a book. Returns a refusal code, the cursor then at the byte that was wrong."""
    cdef int64_t code
    cdef Message *record
    if not take(cursor, c'['):
        return REFUSAL_FRAME_MALFORMED
    skip_space(cursor)
    if next_is(cursor, c']'):
        cursor.at += 1
        return REFUSAL_NONE
    while True:
        record = add_record(output, symbol, KIND_LEVEL, side, flags)
        if record == NULL:
            return REFUSAL_FRAME_TOO_LARGE
        code = read_level(cursor, symbol, record)
        if code != REFUSAL_NONE:
            return code
        skip_space(cursor)
        if next_is(cursor, c']'):
            cursor.at += 1
            return REFUSAL_NONE
        if not take(cursor, c','):
            return REFUSAL_FRAME_MALFORMED

cdef struct Reading:
    const Symbol *symbols
    const Symbol *hint           # of the REST request, or NULL
    Output output

cdef inline void read_levels_early(Cursor *cursor, int64_t field, Fields *fields, Reading *reading) noexcept nogil:
    """Takes a side of a book in the same pass when its symbol is known already; else, or if anything is odd, leaves
    the cursor where it was and the field to be read when the whole frame is known to be JSON."""
    cdef const Symbol *symbol = reading.hint if field >= FIELD_BIDS else fields.symbol
    cdef Cursor start = cursor[0]
    cdef int64_t first = reading.output.count
    if symbol == NULL or not next_is(cursor, c'['):
        return
    if read_levels(
        cursor, symbol, SIDE_BID if field == FIELD_BID or field == FIELD_BIDS else SIDE_ASK,
        FLAG_SNAPSHOT if field >= FIELD_BIDS else 0, &reading.output,
    ) != REFUSAL_NONE:
        cursor[0] = start
        reading.output.count = first
        return
    fields.first[field] = first
    fields.levels[field] = reading.output.count - first

cdef inline bint read_object(Cursor *cursor, Fields *fields, Fields *inner, Reading *reading) noexcept nogil:
    """Notes where the values of known keys stand. `inner` takes those of an object under "data", NULL: unknown."""
    cdef Cursor *value
    cdef const char *key
    cdef int64_t field
    if not take(cursor, c'{'):
        return False
    skip_space(cursor)
    if next_is(cursor, c'}'):
        cursor.at += 1
        return True
    while True:
        skip_space(cursor)
        key = cursor.at + 1
        if not skip_string(cursor):
            return False
        field = field_of(key, cursor.at - key - 1)
        if not take(cursor, c':'):
            return False
        skip_space(cursor)
        value = &fields.value[field]
        if field != FIELD_NONE and value.at != NULL:  # a key twice: which one is meant?
            cursor.at = key
            return False
        value.at = cursor.at
        if field == FIELD_BID or field == FIELD_ASK or field == FIELD_BIDS or field == FIELD_ASKS:
            read_levels_early(cursor, field, fields, reading)
        if fields.levels[field] < 0:
            if field == FIELD_DATA and inner != NULL and next_is(cursor, c'{'):
                if not read_object(cursor, inner, NULL, reading):
                    return False
            elif not skip_value(cursor):
                return False
        value.end = cursor.at
        if field == FIELD_SYMBOL:
            fields.symbol = find_symbol(reading.symbols, value)
        skip_space(cursor)
        if next_is(cursor, c'}'):
            cursor.at += 1
            return True
        if not take(cursor, c','):
            return False

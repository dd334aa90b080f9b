# The keys and values of a frame: which key is which field, and exact decimals and integers out of text.
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp
from ipc.message cimport REFUSAL_DECIMAL_INEXACT, REFUSAL_FRAME_MALFORMED, REFUSAL_NONE
from engine.feed.scan cimport Cursor, DIGIT_LIMIT, is_digit, next_is

cdef extern from *:
    """
    static const int64_t POWER[19] = {
        1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000, 10000000000, 100000000000,
        1000000000000, 10000000000000, 100000000000000, 1000000000000000, 10000000000000000, 100000000000000000,
        1000000000000000000};
    """
    const int64_t *POWER

cdef enum:
    SYMBOL_BYTES = 24
    SYMBOL_SLOTS = 1024

cdef struct Symbol:
    char text[SYMBOL_BYTES]
    int64_t size                 # 0: empty slot
    int64_t instrument
    int64_t tick_mantissa
    int64_t tick_exponent
    int64_t lot_mantissa
    int64_t lot_exponent

cdef enum:  # fields of a frame that are read; every other key is skipped
    FIELD_NONE = 0
    FIELD_EVENT = 1              # e
    FIELD_EVENT_TIME = 2         # E
    FIELD_SYMBOL = 3             # s
    FIELD_UPDATE = 4             # u
    FIELD_FIRST_UPDATE = 5       # U
    FIELD_PREVIOUS_UPDATE = 6    # pu
    FIELD_BID = 7                # b
    FIELD_ASK = 8                # a
    FIELD_BID_QUANTITY = 9       # B
    FIELD_ASK_QUANTITY = 10      # A
    FIELD_PRICE = 11             # p
    FIELD_QUANTITY = 12          # q
    FIELD_TRADE_ID = 13          # t
    FIELD_BUYER_IS_MAKER = 14    # m
    FIELD_RATE = 15              # r
    FIELD_NEXT_TIME = 16         # T
    FIELD_LAST_UPDATE = 17       # lastUpdateId
    FIELD_BIDS = 18              # bids
    FIELD_ASKS = 19              # asks
    FIELD_SNAPSHOT_SYMBOL = 20   # symbol
    FIELD_DATA = 21              # data
    FIELDS = 22

cdef struct Fields:
    Cursor value[FIELDS]         # at == NULL: absent
    const Symbol *symbol         # of FIELD_SYMBOL, NULL when absent or unknown
    int64_t levels[FIELDS]       # records parsed already from this field, -1: not parsed
    int64_t first[FIELDS]        # where in the output they stand

# -- decimals and integers -------------------------------------------------------------------------------------------

cdef inline int64_t read_decimal(Cursor *cursor, int64_t exponent, int64_t *value) noexcept nogil:
    """Unsigned decimal text up to its closing quote, times 10**exponent, exactly. Returns a refusal code."""
    cdef const char *start = cursor.at
    cdef uint64_t sum = 0
    cdef int64_t places = 0
    cdef bint exact = True
    while is_digit(cursor):
        sum = sum * 10 + <uint8_t> (cursor.at[0] - c'0')
        cursor.at += 1
    if cursor.at == start:
        return REFUSAL_FRAME_MALFORMED
    exact = cursor.at - start + exponent <= DIGIT_LIMIT
    if next_is(cursor, c'.'):
        cursor.at += 1
        if not is_digit(cursor):
            return REFUSAL_FRAME_MALFORMED
        while places < exponent and is_digit(cursor):
            sum = sum * 10 + <uint8_t> (cursor.at[0] - c'0')
            places += 1
            cursor.at += 1
        while is_digit(cursor):
            exact = exact and cursor.at[0] == c'0'
            cursor.at += 1
    if not next_is(cursor, c'"'):
        return REFUSAL_FRAME_MALFORMED
    cursor.at += 1
    value[0] = <int64_t> (sum * <uint64_t> POWER[exponent - places])
    return REFUSAL_NONE if exact else REFUSAL_DECIMAL_INEXACT

cdef inline int64_t read_units(Cursor *cursor, int64_t mantissa, int64_t exponent, int64_t *units) noexcept nogil:
    """A quoted decimal as a whole number of units of mantissa * 10**-exponent. Returns a refusal code."""
    cdef int64_t code
    if not next_is(cursor, c'"'):
        return REFUSAL_FRAME_MALFORMED
    cursor.at += 1
    code = read_decimal(cursor, exponent, units)
    if code != REFUSAL_NONE or mantissa == 1:
        return code
    if units[0] % mantissa != 0:
        return REFUSAL_DECIMAL_INEXACT
    units[0] //= mantissa
    return REFUSAL_NONE

cdef inline bint read_integer(const Cursor *value, int64_t limit, int64_t *result) noexcept nogil:
    """An unquoted whole number from 0 to limit, of at most DIGIT_LIMIT digits."""
    cdef Cursor cursor = value[0]
    cdef int64_t sum = 0
    if cursor.at == NULL or cursor.end - cursor.at > DIGIT_LIMIT:
        return False
    while is_digit(&cursor):
        sum = sum * 10 + (cursor.at[0] - c'0')
        cursor.at += 1
    result[0] = sum
    return cursor.at == cursor.end and sum <= limit

cdef inline bint text_is(const Cursor *value, const char *text, int64_t size) noexcept nogil:
    """Whether a quoted string is exactly this text."""
    return (
        value.at != NULL and value.end - value.at == size + 2 and value.at[0] == c'"'
        and memcmp(value.at + 1, text, size) == 0
    )

# -- keys and symbols ------------------------------------------------------------------------------------------------

cdef inline int64_t letter_field(char key) noexcept nogil:
    if key == c'e':
        return FIELD_EVENT
    if key == c'E':
        return FIELD_EVENT_TIME
    if key == c's':
        return FIELD_SYMBOL
    if key == c'u':
        return FIELD_UPDATE
    if key == c'U':
        return FIELD_FIRST_UPDATE
    if key == c'b':
        return FIELD_BID
    if key == c'a':
        return FIELD_ASK
    if key == c'B':
        return FIELD_BID_QUANTITY
    if key == c'A':
        return FIELD_ASK_QUANTITY
    if key == c'p':
        return FIELD_PRICE
    if key == c'q':
        return FIELD_QUANTITY
    if key == c't':
        return FIELD_TRADE_ID
    if key == c'm':
        return FIELD_BUYER_IS_MAKER
    if key == c'r':
        return FIELD_RATE
    if key == c'T':
        return FIELD_NEXT_TIME
    return FIELD_NONE

cdef inline int64_t field_of(const char *key, int64_t size) noexcept nogil:
    if size == 1:
        return letter_field(key[0])
    if size == 2 and memcmp(key, b"pu", 2) == 0:
        return FIELD_PREVIOUS_UPDATE
    if size == 4:
        if memcmp(key, b"data", 4) == 0:
            return FIELD_DATA
        if memcmp(key, b"bids", 4) == 0:
            return FIELD_BIDS
        if memcmp(key, b"asks", 4) == 0:
            return FIELD_ASKS
    if size == 6 and memcmp(key, b"symbol", 6) == 0:
        return FIELD_SNAPSHOT_SYMBOL
    if size == 12 and memcmp(key, b"lastUpdateId", 12) == 0:
        return FIELD_LAST_UPDATE
    return FIELD_NONE

cdef inline uint32_t symbol_slot(const char *text, int64_t size) noexcept nogil:
    """FNV-1a of the symbol, folded to a slot."""
    cdef uint32_t h = 2166136261u
    cdef int64_t i
    for i in range(size):
        h = (h ^ <uint8_t> text[i]) * 16777619u
    return (h ^ h >> 16) % SYMBOL_SLOTS

cdef inline const Symbol *find_symbol(const Symbol *symbols, const Cursor *value) noexcept nogil:
    """The symbol of a quoted string, or NULL."""
    cdef int64_t size = value.end - value.at - 2
    cdef uint32_t slot
    if value.at == NULL or value.at[0] != c'"' or size < 1 or size > SYMBOL_BYTES:
        return NULL
    slot = symbol_slot(value.at + 1, size)
    while symbols[slot].size != 0:
        if symbols[slot].size == size and memcmp(symbols[slot].text, value.at + 1, size) == 0:
            return symbols + slot
        slot = (slot + 1) % SYMBOL_SLOTS
    return NULL

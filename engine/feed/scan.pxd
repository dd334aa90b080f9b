# A strict JSON scan over bytes that are not ours: nothing is copied, nothing before `at` or from `end` on is read.
# Every function leaves the cursor behind what it took, or on the byte that was wrong and returns False.
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef enum:
    NESTING_LIMIT = 32       # objects and arrays within a value we do not know
    DIGIT_LIMIT = 18         # 10**18 < 2**62: what fits can be exact in an int64

cdef struct Cursor:
    const char *at
    const char *end

cdef inline void skip_space(Cursor *cursor) noexcept nogil:
    cdef char c
    while cursor.at < cursor.end:
        c = cursor.at[0]
        if c != c' ' and c != c'\t' and c != c'\n' and c != c'\r':
            return
        cursor.at += 1

cdef inline bint next_is(const Cursor *cursor, char wanted) noexcept nogil:
    return cursor.at < cursor.end and cursor.at[0] == wanted

cdef inline bint take(Cursor *cursor, char wanted) noexcept nogil:
    """One punctuation mark, white space before it allowed."""
    skip_space(cursor)
    if not next_is(cursor, wanted):
        return False
    cursor.at += 1
    return True

cdef inline bint take_text(Cursor *cursor, const char *text, int64_t size) noexcept nogil:
    cdef int64_t i
    for i in range(size):
        if not next_is(cursor, text[i]):
            return False
        cursor.at += 1
    return True

cdef inline bint is_digit(const Cursor *cursor) noexcept nogil:
    return cursor.at < cursor.end and <uint8_t> (cursor.at[0] - c'0') <= 9

cdef inline bint skip_escape(Cursor *cursor) noexcept nogil:
    """What follows a backslash."""
    cdef int64_t _i
    cdef char c
    if cursor.at >= cursor.end:
        return False
    c = cursor.at[0]
    if c != c'u':
        if c != c'"' and c != c'\\' and c != c'/' and c != c'b' and c != c'f' and c != c'n' and c != c'r' and c != c't':
            return False
        cursor.at += 1
        return True
    cursor.at += 1
    for _i in range(4):
        if cursor.at >= cursor.end:
            return False
        c = cursor.at[0]
        if not (c'0' <= c <= c'9' or c'a' <= c <= c'f' or c'A' <= c <= c'F'):
            return False
        cursor.at += 1
    return True

cdef inline bint skip_string(Cursor *cursor) noexcept nogil:
    cdef uint8_t c
    if not next_is(cursor, c'"'):
        return False
    cursor.at += 1
    while cursor.at < cursor.end:
        c = <uint8_t> cursor.at[0]
        if c < 32:
            return False
        cursor.at += 1
        if c == c'"':
            return True
        if c == c'\\' and not skip_escape(cursor):
            return False
    return False

cdef inline bint skip_digits(Cursor *cursor) noexcept nogil:
    """One digit or more."""
    if not is_digit(cursor):
        return False
    while is_digit(cursor):
        cursor.at += 1
    return True

cdef inline bint skip_number(Cursor *cursor) noexcept nogil:
    if next_is(cursor, c'-'):
        cursor.at += 1
    if next_is(cursor, c'0'):
        cursor.at += 1
    elif not skip_digits(cursor):
        return False
    if next_is(cursor, c'.'):
        cursor.at += 1
        if not skip_digits(cursor):
            return False
    if next_is(cursor, c'e') or next_is(cursor, c'E'):
        cursor.at += 1
        if next_is(cursor, c'+') or next_is(cursor, c'-'):
            cursor.at += 1
        return skip_digits(cursor)
    return True

cdef inline bint skip_scalar(Cursor *cursor) noexcept nogil:
    if next_is(cursor, c'"'):
        return skip_string(cursor)
    if next_is(cursor, c't'):
        return take_text(cursor, b"true", 4)
    if next_is(cursor, c'f'):
        return take_text(cursor, b"false", 5)
    if next_is(cursor, c'n'):
        return take_text(cursor, b"null", 4)
    return skip_number(cursor)

cdef inline bint skip_key(Cursor *cursor) noexcept nogil:
    skip_space(cursor)
    return skip_string(cursor) and take(cursor, c':')

cdef inline bint skip_value(Cursor *cursor) noexcept nogil:
    """Any JSON value, nested to NESTING_LIMIT. The open brackets are bits of a word: 1 an object, 0 an array."""
    cdef uint64_t is_object = 0
    cdef int64_t depth = 0
    cdef bint opened
    while True:
        skip_space(cursor)
        opened = next_is(cursor, c'{') or next_is(cursor, c'[')
        if opened:
            if depth == NESTING_LIMIT:
                return False
            is_object = is_object << 1 | next_is(cursor, c'{')
            depth += 1
            cursor.at += 1
            skip_space(cursor)
            if not next_is(cursor, c'}' if is_object & 1 else c']'):
                if is_object & 1 and not skip_key(cursor):
                    return False
                continue
        elif not skip_scalar(cursor):
            return False
        while True:  # a value has ended, or an empty bracket is about to
            if depth == 0:
                return True
            skip_space(cursor)
            if next_is(cursor, c'}' if is_object & 1 else c']'):
                cursor.at += 1
                is_object >>= 1
                depth -= 1
                continue
            if not next_is(cursor, c','):
                return False
            cursor.at += 1
            if is_object & 1 and not skip_key(cursor):
                return False
            break

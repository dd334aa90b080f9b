# Factors whose product, left to right in doubles, is a whole number of lots: models/sizing/chain.py, in the core.
from libc.math cimport fabs, nextafter, trunc
from libc.stdint cimport int64_t
from engine.stage cimport SIZING_TERMS, SizingView

cdef enum Term:                    # places in SizingView.term: models.sizing.TERMS, compared at import
    TERM_ESTIMATION = 0
    TERM_FRACTION = 1
    TERM_CORRELATION = 2
    TERM_COSTS = 3
    TERM_VOLATILITY_TARGET = 4
    TERM_DRAWDOWN = 5
    TERM_DATA_QUALITY = 6
    TERM_VENUE_CAP = 7
    TERM_GROSS_CAP = 8
    TERM_CAPITAL_CAP = 9
    TERM_ROUNDING = 10

cdef enum:
    NUDGES = 64                    # last places by which the last factor may be lowered so that the product holds

cdef extern from *:
    """
    #define BOT4_LARGEST_LOTS 0x1p53  /* beyond, doubles are no longer whole lots */
    """
    double LARGEST_LOTS "BOT4_LARGEST_LOTS"

# -- QUERIES --

cdef inline double factor_to(double lots, double whole) noexcept nogil:
    """A double f <= 1 with lots x f == whole, or -1."""
    cdef double guess
    if whole == 0.0:
        return 0.0
    guess = whole / lots
    if guess <= 1.0 and lots * guess == whole:
        return guess
    if nextafter(guess, 1.0) <= 1.0 and lots * nextafter(guess, 1.0) == whole:
        return nextafter(guess, 1.0)
    return nextafter(guess, 0.0) if lots * nextafter(guess, 0.0) == whole else -1.0

# -- COMMANDS --

cdef inline double put(SizingView *row, Term term, double factor, double lots) noexcept nogil:
    """One factor into the chain; the lots after it."""
    row.term[<int64_t> term] = factor
    return lots * factor

cdef inline void put_nothing(SizingView *row) noexcept nogil:
    """A chain of no position, where there is nothing to multiply."""
    cdef int64_t i
    row.raw = 0.0
    for i in range(SIZING_TERMS):
        row.term[i] = 1.0
    row.target_lots = 0

cdef inline void put_rounding(SizingView *row, double lots) noexcept nogil:
    """The last factor, toward zero. Where no double leads to whole lots the factor before is lowered by last places,
    as long as that changes no lot. Lots that are no number, or too many, are none."""
    cdef double *last = &row.term[<int64_t> TERM_CAPITAL_CAP]
    cdef double before = row.raw, whole = trunc(lots), factor
    cdef int64_t i, _
    if not fabs(lots) < LARGEST_LOTS:
        put_nothing(row)
        return
    for i in range(<int64_t> TERM_CAPITAL_CAP):
        before = before * row.term[i]
    factor = factor_to(lots, whole)
    for _ in range(NUDGES):
        if factor >= 0.0:
            break
        last[0] = nextafter(last[0], 0.0)
        lots = before * last[0]
        if trunc(lots) != whole:
            break
        factor = factor_to(lots, whole)
    row.term[<int64_t> TERM_ROUNDING] = factor if factor >= 0.0 else 0.0  # not seen: models/sizing/chain.py refuses
    row.target_lots = <int64_t> whole if factor >= 0.0 else 0

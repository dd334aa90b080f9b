# A book of instruments whose values may end anywhere between low and high (open orders filled or not), and its CVaR.
#
# Proved for every accepted order (docs/decisions/0071-pretrade-cvar.md): whatever of all that is open fills, the CVaR
# of what is then held, over the stored scenarios and at these prices, is within the limit. All memory is the caller's.
from libc.math cimport ceil, fabs, floor
from libc.stdint cimport int64_t
from kernels.exposure.bounds cimport Losses, agree, is_number, larger, lower_part, upper_part
from kernels.exposure.tail cimport excess, gather, keep_largest, move

cdef enum Verdict:
    ACCEPTED_BY_BOUND = 0      # the upper bound is within the limit
    ACCEPTED_EXACTLY = 1
    ACCEPTED_AS_REDUCING = 2   # the limit was passed before; with this order filled the book loses no more than that
    REFUSED_BY_BOUND = 3       # the lower bound is above the limit
    REFUSED_EXACTLY = 4
    UNDECIDED = 5              # between the bounds, and exactness was not asked for
    REFUSED_UNBOUNDED = 6      # a figure is too large or not a number

cdef enum:
    REDRAWS = 1024             # changes of `worst` after which it is drawn anew: bounds what rounding can add up to

cdef struct CvarRow:           # one instrument
    Losses losses
    double low_atoms           # what may be held at least: all open sells filled; below 0 is short
    double high_atoms          # and at most
    double drawn_low_atoms     # the box that `worst` holds
    double drawn_high_atoms
    int64_t upper_atoms        # parts of the sums
    int64_t lower_atoms
    int64_t unbounded          # 1: a part is too large to count

cdef struct CvarState:
    int64_t base_upper_atoms   # CVaR of the reference book, rounded outward
    int64_t base_lower_atoms
    int64_t upper_atoms        # sums over the rows
    int64_t lower_atoms
    int64_t unbounded
    int64_t redraws            # changes of `worst` since it was drawn anew
    double threshold           # about the VaR of `worst`: where the next pass begins
    double spread              # from there to the CVaR
    double reach_atoms         # largest loss that `worst` can have held since it was drawn anew

cdef struct CvarBook:
    CvarState *state
    CvarRow *rows
    const double *losses       # (instrument, scenario), the loss of one unit of value held long
    double *worst              # (scenario,)
    double *candidates         # (scenario,) scratch
    int64_t instruments
    int64_t scenarios          # a multiple of 8
    double tail                # scenarios in the tail, (1 - level) * scenarios; the last may count in part

# -- QUERIES --

cdef inline int64_t largest_part(const CvarBook *book) noexcept nogil:
    return (<int64_t> 1 << 60) // (book.instruments + 1)

cdef inline bint fits(const CvarBook *book, double atoms) noexcept nogil:
    """False for NaN too."""
    return fabs(atoms) < <double> largest_part(book)

cdef inline void bounds_with(
    const CvarBook *book, int64_t index, double low_atoms, double high_atoms, double *lower, double *upper
) noexcept nogil:
    """Of the book with one instrument's box changed. Whole atoms, so the sums are exact. O(1)."""
    cdef const CvarRow *row = book.rows + index
    cdef double most = upper_part(&row.losses, low_atoms, high_atoms)
    cdef double least = lower_part(&row.losses, low_atoms, high_atoms)
    lower[0] = -1e300
    upper[0] = 1e300
    if book.state.unbounded - row.unbounded != 0 or not fits(book, most) or not fits(book, least):
        return
    upper[0] = <double> (book.state.base_upper_atoms + book.state.upper_atoms - row.upper_atoms + <int64_t> most)
    lower[0] = <double> (book.state.base_lower_atoms + book.state.lower_atoms - row.lower_atoms + <int64_t> least)

cdef inline double slack(const CvarBook *book, double added_atoms, double largest) noexcept nogil:
    """More than what a sum over `worst` can be wrong by: REDRAWS changes and the pass itself, each within 2**-50."""
    return (book.state.reach_atoms + fabs(added_atoms) * largest) * 3.7e-12 + 1.0

cdef inline double undrawn(const CvarBook *book, int64_t but) noexcept nogil:
    """By how much `worst` can be wrong in any scenario because boxes, but for one, have moved since they were drawn."""
    cdef const CvarRow *row
    cdef double total = 0.0
    cdef int64_t i
    for i in range(book.instruments):
        row = book.rows + i
        if i != but:
            total += (fabs(row.high_atoms - row.drawn_high_atoms) + fabs(row.low_atoms - row.drawn_low_atoms)
                      ) * row.losses.largest
    return total

# -- COMMANDS --

cdef inline double tail_mean(
    CvarBook *book, const double *losses, double high_atoms, double low_atoms
) noexcept nogil:
    """Mean of the worst `tail` of worst + high * max(losses, 0) + low * min(losses, 0); remembers where it was."""
    cdef CvarState *state = book.state
    cdef int64_t whole = <int64_t> book.tail, needed = whole if whole == book.tail else whole + 1, i
    cdef double threshold = state.threshold - 0.5 * state.spread, total = 0.0
    cdef int64_t count = gather(book.worst, losses, high_atoms, low_atoms, threshold, book.scenarios, book.candidates)
    if count < needed:
        count = gather(book.worst, losses, high_atoms, low_atoms, -1e308, book.scenarios, book.candidates)
    if count < needed:
        return 1e300  # a scenario is not a number
    keep_largest(book.candidates, count, needed)
    for i in range(1, needed):
        total += book.candidates[i]
    total = (total + book.candidates[0] * (book.tail - <double> (needed - 1))) / book.tail
    if total - total != 0.0:
        return 1e300
    state.threshold = book.candidates[0]
    state.spread = total - book.candidates[0]
    return total

cdef inline void draw_row(CvarBook *book, int64_t index) noexcept nogil:
    cdef CvarRow *row = book.rows + index
    cdef double high = row.high_atoms - row.drawn_high_atoms, low = row.low_atoms - row.drawn_low_atoms
    if high == 0.0 and low == 0.0:
        return
    move(book.worst, book.losses + index * book.scenarios, high, low, book.scenarios)
    book.state.reach_atoms += (fabs(high) + fabs(low)) * row.losses.largest
    row.drawn_high_atoms = row.high_atoms
    row.drawn_low_atoms = row.low_atoms
    book.state.redraws += 1

cdef inline void draw(CvarBook *book) noexcept nogil:
    """Brings `worst` to the boxes of now; from nothing when it was changed often enough for rounding to matter."""
    cdef int64_t i
    if book.state.redraws > REDRAWS:
        book.state.redraws = 0
        book.state.reach_atoms = 0.0
        for i in range(book.scenarios):
            book.worst[i] = 0.0
        for i in range(book.instruments):
            book.rows[i].drawn_low_atoms = book.rows[i].drawn_high_atoms = 0.0
    for i in range(book.instruments):
        draw_row(book, i)

cdef inline double cvar_at_threshold(
    CvarBook *book, int64_t index, double added_atoms, double wrong_atoms
) noexcept nogil:
    """One pass at the threshold of before: an upper bound, and close where that is still about the VaR."""
    cdef const double *losses = book.losses + index * book.scenarios
    cdef double threshold = book.state.threshold
    return (threshold + excess(book.worst, losses, added_atoms, threshold, book.scenarios) / book.tail
            + slack(book, added_atoms, book.rows[index].losses.largest) + wrong_atoms)

cdef inline double worst_cvar(CvarBook *book, int64_t index, double high_atoms, double low_atoms) noexcept nogil:
    """Upper bound of the CVaR with one box's ends moved by so much, whatever fills; `worst` must be drawn."""
    cdef CvarRow *row = book.rows + index
    return (tail_mean(book, book.losses + index * book.scenarios, high_atoms, low_atoms)
            + slack(book, fabs(high_atoms) + fabs(low_atoms), row.losses.largest))

cdef inline void place(CvarBook *book, int64_t index, double low_atoms, double high_atoms) noexcept nogil:
    """What may be held of an instrument from now on. O(1)."""
    cdef CvarRow *row = book.rows + index
    cdef CvarState *state = book.state
    cdef double most = upper_part(&row.losses, low_atoms, high_atoms)
    cdef double least = lower_part(&row.losses, low_atoms, high_atoms)
    state.upper_atoms -= row.upper_atoms
    state.lower_atoms -= row.lower_atoms
    state.unbounded -= row.unbounded
    row.low_atoms = low_atoms
    row.high_atoms = high_atoms
    row.unbounded = not (fits(book, most) and fits(book, least))
    row.upper_atoms = 0 if row.unbounded else <int64_t> most
    row.lower_atoms = 0 if row.unbounded else <int64_t> least
    state.upper_atoms += row.upper_atoms
    state.lower_atoms += row.lower_atoms
    state.unbounded += row.unbounded

cdef inline double own_base(CvarBook *book) noexcept nogil:
    """CVaR of the reference book over the stored scenarios. Leaves `worst` to be drawn anew."""
    cdef int64_t i
    cdef CvarRow *row
    book.state.reach_atoms = 0.0
    for i in range(book.scenarios):
        book.worst[i] = 0.0
    for i in range(book.instruments):
        row = book.rows + i
        if row.losses.reference_atoms != 0.0:
            move(book.worst, book.losses + i * book.scenarios, row.losses.reference_atoms, row.losses.reference_atoms,
                 book.scenarios)
            book.state.reach_atoms += fabs(row.losses.reference_atoms) * row.losses.largest
    book.state.redraws = REDRAWS + 1
    book.state.threshold = book.state.spread = 0.0
    return tail_mean(book, book.losses, 0.0, 0.0)

cdef inline bint begin(CvarBook *book) noexcept nogil:
    """After new losses: the base, the sums and `worst` anew, the boxes as they were. The scenarios must be numbers.
    False: a figure is not, is too large, or contradicts the others; the book is then not to be used."""
    cdef int64_t i
    cdef double base = own_base(book), wrong = slack(book, 0.0, 0.0)
    cdef CvarState *state = book.state
    if not fits(book, base):
        return False
    for i in range(book.instruments):
        if not agree(&book.rows[i].losses):
            return False
    state.base_upper_atoms = <int64_t> ceil(base + wrong)
    state.base_lower_atoms = <int64_t> floor(base - wrong)
    state.upper_atoms = state.lower_atoms = state.unbounded = 0
    for i in range(book.instruments):
        book.rows[i].upper_atoms = book.rows[i].lower_atoms = book.rows[i].unbounded = 0
        place(book, i, book.rows[i].low_atoms, book.rows[i].high_atoms)
    draw(book)
    tail_mean(book, book.losses, 0.0, 0.0)
    return True

cdef inline Verdict judge_adding(
    CvarBook *book, int64_t index, double added_atoms, double limit_atoms, bint exactly, double *cvar_atoms
) noexcept nogil:
    """Whether an order that may add so much value (below 0: sold) leaves the CVaR within the limit, whatever fills."""
    cdef CvarRow *row = book.rows + index
    cdef double lower, upper, wrong
    bounds_with(book, index, row.low_atoms + (added_atoms if added_atoms < 0.0 else 0.0),
                row.high_atoms + (added_atoms if added_atoms > 0.0 else 0.0), &lower, &upper)
    cvar_atoms[0] = upper
    if upper >= 1e300 or not is_number(added_atoms):
        return REFUSED_UNBOUNDED
    if upper <= limit_atoms:
        return ACCEPTED_BY_BOUND
    if lower > limit_atoms:
        cvar_atoms[0] = lower
        return REFUSED_BY_BOUND
    if not exactly:
        return UNDECIDED
    wrong = undrawn(book, index)
    if 0.0 < wrong < 1e-3 * limit_atoms and book.state.redraws <= REDRAWS:  # prices have moved, but little
        draw_row(book, index)
        cvar_atoms[0] = cvar_at_threshold(book, index, added_atoms, 1.000001 * wrong)
        if cvar_atoms[0] <= limit_atoms:
            return ACCEPTED_EXACTLY
    draw(book)
    cvar_atoms[0] = cvar_at_threshold(book, index, added_atoms, 0.0)
    if cvar_atoms[0] <= limit_atoms:
        return ACCEPTED_EXACTLY
    cvar_atoms[0] = worst_cvar(book, index, added_atoms if added_atoms > 0.0 else 0.0,
                               added_atoms if added_atoms < 0.0 else 0.0)
    return ACCEPTED_EXACTLY if cvar_atoms[0] <= limit_atoms else REFUSED_EXACTLY

cdef inline Verdict judge_reducing(
    CvarBook *book, int64_t index, double added_atoms, double limit_atoms, double *cvar_atoms
) noexcept nogil:
    """An order that only brings a position toward zero. CVaR is convex, so on the way there it is at most the larger of
    what it is now and what it is without the instrument: where the rest of the book is within the limit, it passes.
    Where it is not, the order takes a hedge off: it passes if the limit is known to be passed already and the book
    with it filled loses no more than it can now."""
    cdef Verdict verdict = judge_adding(book, index, added_atoms, limit_atoms, True, cvar_atoms)
    cdef CvarRow *row = book.rows + index
    cdef double rest, before, lower, upper
    if verdict <= ACCEPTED_AS_REDUCING:
        return verdict
    if verdict == REFUSED_UNBOUNDED:
        return ACCEPTED_AS_REDUCING if is_number(added_atoms) else verdict  # cannot be weighed: the way out stays open
    draw(book)
    rest = worst_cvar(book, index, -row.high_atoms, -row.low_atoms)
    before = worst_cvar(book, index, 0.0, 0.0)
    bounds_with(book, index, row.low_atoms, row.high_atoms, &lower, &upper)
    if rest > limit_atoms and lower <= limit_atoms:
        return REFUSED_EXACTLY
    cvar_atoms[0] = worst_cvar(book, index, added_atoms, added_atoms)
    return ACCEPTED_AS_REDUCING if rest <= limit_atoms or cvar_atoms[0] <= before else REFUSED_EXACTLY

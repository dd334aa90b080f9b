# What one instrument can add to the CVaR of a reference book, at least and at most, whatever of its orders fills.
#
# CVaR is convex and positively homogeneous in the values held, x. With the reference book x0 and d = x - x0:
#   at least   CVaR(x0) + sum g_i d_i                     g a subgradient of CVaR at x0 (the marginal CVaR)
#   at most    CVaR(x0) + sum CVaR(d_i alone)             d_i long at long_loss, short at short_loss, per unit of value
# Both are convex in d_i, so over all that may be held, low <= x_i <= high, each is largest at an end.
# Values are doubles in quote atoms; the parts are whole atoms rounded outward, so that sums of them never drift.
from libc.math cimport ceil, fabs, floor
from libc.stdint cimport int64_t

cdef struct Losses:            # of one instrument, for one unit of value
    double marginal            # subgradient of the book's CVaR at the reference
    double long_loss           # stand-alone CVaR held long
    double short_loss          # and short
    double largest             # largest absolute loss in any scenario; no other of these exceeds it
    double reference_atoms     # value held in the reference book

# -- QUERIES --

cdef inline bint is_number(double value) noexcept nogil:
    return value - value == 0.0

cdef inline bint agree(const Losses *losses) noexcept nogil:
    """Whether the figures can be of one set of scenarios: a subgradient lies between the stand-alone CVaRs, and nothing
    is larger than the largest loss. False where one is not a number."""
    cdef double near = 1e-9 * losses.largest
    return (
        is_number(losses.largest) and is_number(losses.reference_atoms) and losses.largest >= 0.0
        and -losses.short_loss - near <= losses.marginal and losses.marginal <= losses.long_loss + near
        and fabs(losses.long_loss) <= losses.largest + near and fabs(losses.short_loss) <= losses.largest + near
    )

cdef inline double stand_alone(const Losses *losses, double change_atoms) noexcept nogil:
    return change_atoms * losses.long_loss if change_atoms >= 0.0 else -change_atoms * losses.short_loss

cdef inline double larger(double a, double b) noexcept nogil:
    return a if a > b else b

cdef inline double rounding_of(const Losses *losses, double low_atoms, double high_atoms) noexcept nogil:
    """More than what doubles can be wrong by in a part, in atoms."""
    return (fabs(low_atoms) + fabs(high_atoms) + fabs(losses.reference_atoms)) * losses.largest * 9.1e-13 + 1.0

cdef inline double upper_part(const Losses *losses, double low_atoms, double high_atoms) noexcept nogil:
    """At most so much is added, in whole atoms; NaN where a figure is."""
    cdef double most = larger(stand_alone(losses, low_atoms - losses.reference_atoms),
                              stand_alone(losses, high_atoms - losses.reference_atoms))
    return ceil(most + rounding_of(losses, low_atoms, high_atoms))

cdef inline double lower_part(const Losses *losses, double low_atoms, double high_atoms) noexcept nogil:
    """At least so much, at the end of the box where the linear form is largest."""
    cdef double most = larger(losses.marginal * (low_atoms - losses.reference_atoms),
                              losses.marginal * (high_atoms - losses.reference_atoms))
    return floor(most - rounding_of(losses, low_atoms, high_atoms))

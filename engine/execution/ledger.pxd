# Positions and profit in exact integers, by average cost. A fill either fits in every field or changes none.
#
# A partial close takes its share of the open cost, cost * closed / position toward zero; the remainder stays in the
# open cost. So realised - cost is always exactly the cash that flowed (sales minus purchases): no rounding is lost.
from libc.stdint cimport int64_t
from engine.checked cimport add_overflows, multiply_overflows, share_overflows
from engine.stage cimport AccountView

cdef struct Balance:
    int64_t position_lots
    int64_t cost_tick_lots
    int64_t realised_tick_lots
    int64_t fees_atoms

cdef inline bint within_bounds(int64_t value) noexcept nogil:
    """Below 2**62 either way, so that a sum or a difference of two such values, or a sign change, always fits."""
    return -(<int64_t> 1 << 62) < value < <int64_t> 1 << 62

cdef inline Balance balance_of(const AccountView *account) noexcept nogil:
    cdef Balance balance
    balance.position_lots = account.position_lots
    balance.cost_tick_lots = account.cost_tick_lots
    balance.realised_tick_lots = account.realised_tick_lots
    balance.fees_atoms = account.fees_atoms
    return balance

cdef inline bint close_overflows(Balance *balance, int64_t lots, int64_t price_ticks) noexcept nogil:
    """Closes |lots| of the position; lots is signed as the fill (+ bought), against the position and not beyond it."""
    cdef int64_t magnitude, closed, share, proceeds, profit
    if multiply_overflows(balance.position_lots, 1 if balance.position_lots > 0 else -1, &magnitude):
        return True
    closed = lots if lots > 0 else -lots
    if share_overflows(balance.cost_tick_lots, closed, magnitude, &share):
        return True
    if multiply_overflows(-lots, price_ticks, &proceeds) or add_overflows(proceeds, -share, &profit):
        return True
    if add_overflows(balance.realised_tick_lots, profit, &balance.realised_tick_lots):
        return True
    balance.cost_tick_lots -= share
    balance.position_lots += lots
    return False

cdef inline bint open_overflows(Balance *balance, int64_t lots, int64_t price_ticks) noexcept nogil:
    """Adds signed lots to a flat position or to one of the same side."""
    cdef int64_t cost
    if multiply_overflows(lots, price_ticks, &cost):
        return True
    if add_overflows(balance.cost_tick_lots, cost, &balance.cost_tick_lots):
        return True
    return add_overflows(balance.position_lots, lots, &balance.position_lots)

cdef inline bint fill_overflows(Balance *balance, int64_t lots, int64_t price_ticks, int64_t fee_atoms) noexcept nogil:
    """Books signed lots at a price and a fee. True: it does not fit, and the balance is to be thrown away."""
    cdef int64_t closing = 0
    if balance.position_lots > 0 and lots < 0:
        closing = lots if lots > -balance.position_lots else -balance.position_lots
    elif balance.position_lots < 0 and lots > 0:
        closing = lots if lots < -balance.position_lots else -balance.position_lots
    if closing != 0 and close_overflows(balance, closing, price_ticks):
        return True
    if lots != closing and open_overflows(balance, lots - closing, price_ticks):
        return True
    if add_overflows(balance.fees_atoms, fee_atoms, &balance.fees_atoms):
        return True
    return not (
        within_bounds(balance.position_lots) and within_bounds(balance.cost_tick_lots)
        and within_bounds(balance.realised_tick_lots) and within_bounds(balance.fees_atoms)
    )

cdef inline void put_balance(AccountView *account, const Balance *balance) noexcept nogil:
    account.position_lots = balance.position_lots
    account.cost_tick_lots = balance.cost_tick_lots
    account.realised_tick_lots = balance.realised_tick_lots
    account.fees_atoms = balance.fees_atoms

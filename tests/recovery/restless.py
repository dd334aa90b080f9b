"""A strategy for tests of recovery: asks for something with nearly every book, so a kill meets orders on their way.

Both sides near the best; every round moves them by a tick, and every fifth takes them away instead.
"""

from engine.strategy.api import ASK, BID, LIMIT, MILLISECOND_NS, VALID, cancel, place, replace, settled, working


class Params:
    quantity_lots: int = 200
    maximum_position_lots: int = 20_000
    interval_ms: int = 8


class State:
    next_time_ns: int
    rounds: int


def on_book(state, params, book, account, orders, now_ns):
    if book.state != VALID or book.bid_quantity_lots[0] == 0 or book.ask_quantity_lots[0] == 0:
        return
    if now_ns < state.next_time_ns:
        return
    state.next_time_ns = now_ns + params.interval_ms * MILLISECOND_NS
    state.rounds += 1
    away = state.rounds % 3 - 1  # -1 improves the best, 0 joins it, 1 stands behind it
    ask(params, account, orders, BID, book.bid_price_ticks[0] - away, state.rounds)
    ask(params, account, orders, ASK, book.ask_price_ticks[0] + away, state.rounds)


def ask(params, account, orders, side, price_ticks, rounds):
    """One request for one side, unless the last is still on its way."""
    found = working(account, side)
    if found < 0:
        position = account.position_lots if side == BID else -account.position_lots
        if position < params.maximum_position_lots:
            place(orders, side, price_ticks, params.quantity_lots, side, LIMIT)
        return
    order = account.working[found]
    if not settled(order):
        return
    if rounds % 5 == 0:
        cancel(orders, order.order_id)
    elif order.price_ticks != price_ticks:
        replace(orders, order, price_ticks, params.quantity_lots, LIMIT)

"""Hello: the smallest strategy that trades. Buys at the best bid when flat, sells at the best ask when long.

Every function is optional, and asks by name for what it wants to see:

    state params book features forecast account instrument orders now_ns      anywhere
    trade bar fill order regime risk                                          in on_trade, on_bar, on_fill, ...

Prices are whole ticks and quantities whole lots, never floats. There is no clock, no printing and no list in here: time
comes as now_ns and on_timer; what must be remembered is a field of State. `bot4 strategy check FILE` tells the rest.
"""

from engine.strategy.api import ASK, BID, VALID, cancel_all, lots_of_value, place


class Params:
    order_value: float = 100.0  # in the quote currency
    timer_interval_ms: int = 5_000  # between two calls of on_timer


class State:
    fills: int
    paid_atoms: int  # fees so far, in 1e-8 of the quote currency


def on_book(params, book, account, instrument, orders):
    if book.state != VALID or account.open_orders > 0:
        return
    if account.position_lots <= 0:
        place(
            orders, BID, book.bid_price_ticks[0], lots_of_value(params.order_value, book.bid_price_ticks[0], instrument)
        )
    else:
        place(orders, ASK, book.ask_price_ticks[0], account.position_lots)


def on_fill(state, fill):
    state.fills += 1
    state.paid_atoms += fill.fee_atoms


def on_timer(account, orders):
    cancel_all(orders, account)  # whatever has not been filled by now is asked for again at the new best price


def on_stop(account, orders):
    cancel_all(orders, account)

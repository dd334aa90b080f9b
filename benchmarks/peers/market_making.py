"""The market-making rule of `make bench-peers`: decided by the clock alone, so that two engines can decide the same.

    fair   = (bid * ask quantity + ask * bid quantity) / (bid quantity + ask quantity)
    centre = fair - skew * position / largest position
    bid    = centre - half spread          ask = centre + half spread

Every `timer_interval_ms` each side is looked at: without an order one is placed (post only); an order `requote_ticks`
or more away from where it should be is cancelled, and the next one placed when the cancel is confirmed; an order with
a request under way is left alone. `hftbacktest_run.py` says the same in the words of hftbacktest.
"""

from engine.strategy.api import ASK, BID, LIMIT_MAKER, VALID, cancel, place, round_down, round_up, settled, working

BID_TAG = 1
ASK_TAG = 2


class Params:
    half_spread_ticks: float = 2.0
    skew_ticks: float = 5.0
    quote_lots: int = 100
    maximum_position_lots: int = 1_000
    requote_ticks: int = 2
    timer_interval_ms: int = 10


class State:
    decisions: int


def on_timer(state, params, book, account, orders):
    if book.state != VALID or book.bid_quantity_lots[0] == 0 or book.ask_quantity_lots[0] == 0:
        return
    state.decisions += 1
    bid_lots, ask_lots = book.bid_quantity_lots[0], book.ask_quantity_lots[0]
    fair = (book.bid_price_ticks[0] * ask_lots + book.ask_price_ticks[0] * bid_lots) / (bid_lots + ask_lots)
    centre = fair - params.skew_ticks * account.position_lots / params.maximum_position_lots
    bid = min(round_down(centre - params.half_spread_ticks), book.ask_price_ticks[0] - 1)
    ask = max(round_up(centre + params.half_spread_ticks), book.bid_price_ticks[0] + 1)
    bid_quote = min(params.quote_lots, params.maximum_position_lots - account.position_lots)
    ask_quote = min(params.quote_lots, params.maximum_position_lots + account.position_lots)
    quote(params, account, orders, BID, BID_TAG, bid, bid_quote)
    quote(params, account, orders, ASK, ASK_TAG, ask, ask_quote)


def quote(params, account, orders, side, tag, price_ticks, quantity_lots):
    found = working(account, tag)
    if found < 0:
        if quantity_lots > 0:
            place(orders, side, price_ticks, quantity_lots, tag, LIMIT_MAKER)
        return
    order = account.working[found]
    if settled(order) and abs(order.price_ticks - price_ticks) >= params.requote_ticks:
        cancel(orders, order.order_id)

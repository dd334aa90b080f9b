"""Market maker: a bid and an ask around the fair price, both moved against the inventory.

    fair   = microprice = (bid * ask quantity + ask * bid quantity) / (bid quantity + ask quantity)     Stoikov (2018)
    centre = fair - skew * position / largest position
    bid    = centre - half spread          ask = centre + half spread

The shift against the position is the reservation price of Avellaneda and Stoikov (2008) with its risk terms gathered in
one number. A quote keeps its place in the queue until it is `requote_ticks` away from where it should be.
"""

from engine.strategy.api import (
    ASK,
    BID,
    LIMIT_MAKER,
    MILLISECOND_NS,
    VALID,
    cancel,
    cancel_all,
    lots_of_value,
    place,
    replace,
    round_down,
    round_up,
    settled,
    working,
)

BID_TAG = 1
ASK_TAG = 2


class Params:
    half_spread_ticks: float = 2.0  # from the fair price to each quote
    quote_value: float = 600.0  # of each quote, in the quote currency
    maximum_position_value: float = 6_000.0  # no quote on the side that would take the position beyond it
    skew_ticks: float = 5.0  # both quotes move down by so much at the largest long position, up at the largest short
    requote_ticks: int = 2  # a quote closer than this to its proper price is left alone
    requote_interval_ms: int = 50  # at most one round of requests in so long


class State:
    fair_price_ticks: float
    next_quote_time_ns: int
    fills: int


def on_book(state, params, book, account, instrument, orders, now_ns):
    if book.state != VALID or book.bid_quantity_lots[0] == 0 or book.ask_quantity_lots[0] == 0:
        cancel_all(orders, account)
        return
    state.fair_price_ticks = microprice(book)
    if now_ns < state.next_quote_time_ns:
        return
    position = account.position_lots
    quote_lots = lots_of_value(params.quote_value, book.bid_price_ticks[0], instrument)
    largest_lots = lots_of_value(params.maximum_position_value, book.bid_price_ticks[0], instrument)
    if quote_lots == 0 or largest_lots == 0:
        return  # the values are smaller than one lot
    centre = state.fair_price_ticks - params.skew_ticks * position / largest_lots
    bid = min(round_down(centre - params.half_spread_ticks), book.ask_price_ticks[0] - 1)
    ask = max(round_up(centre + params.half_spread_ticks), book.bid_price_ticks[0] + 1)
    bid_lots = quote_lots if position + quote_lots <= largest_lots else 0
    ask_lots = quote_lots if position - quote_lots >= -largest_lots else 0
    asked = orders.count
    quote(params, account, orders, BID, BID_TAG, bid, bid_lots)
    quote(params, account, orders, ASK, ASK_TAG, ask, ask_lots)
    if orders.count != asked:
        state.next_quote_time_ns = now_ns + params.requote_interval_ms * MILLISECOND_NS


def on_fill(state, fill):
    state.fills += 1
    state.next_quote_time_ns = 0  # the inventory has changed: quote anew with the next book


def on_stop(account, orders):
    cancel_all(orders, account)


def microprice(book):
    """Mid price weighted by the quantity on the other side, in ticks: it leans to where the book is thin."""
    bid_lots, ask_lots = book.bid_quantity_lots[0], book.ask_quantity_lots[0]
    return (book.bid_price_ticks[0] * ask_lots + book.ask_price_ticks[0] * bid_lots) / (bid_lots + ask_lots)


def quote(params, account, orders, side, tag, price_ticks, quantity_lots):
    """Brings one side's quote to its price: places it, moves it, takes it away, or leaves it in the queue."""
    found = working(account, tag)
    if found < 0:
        if quantity_lots > 0:
            place(orders, side, price_ticks, quantity_lots, tag, LIMIT_MAKER)
        return
    order = account.working[found]
    if not settled(order):
        return  # what was asked last is still on its way
    if quantity_lots <= 0:
        cancel(orders, order.order_id)
    elif abs(order.price_ticks - price_ticks) >= params.requote_ticks:
        replace(orders, order, price_ticks, quantity_lots, LIMIT_MAKER)

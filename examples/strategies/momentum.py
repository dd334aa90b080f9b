"""Momentum: takes a position when the forecast return is larger than what the round trip costs.

    cost = spread + 2 * taker fee, in basis points of the price
    forecast >  cost + margin: be long         forecast < -(cost + margin): be short
    forecast against the position by more than `exit_bp`, or held for too long: be flat

It takes with IOC orders at the best price, one at a time, so no order of its own ever rests in the book.
"""

from engine.strategy.api import ASK, BID, IOC, LIMIT, MILLISECOND_NS, VALID, lots_of_value, place

ENTRY_TAG = 1
E7_PER_BASIS_POINT = 1_000.0  # fees are counted in 1e-7 of the value


class Params:
    horizon: int = 0  # which of the forecast's horizons
    position_value: float = 1_000.0  # held when long or short, in the quote currency
    margin_bp: float = 0.5  # wanted beyond the cost
    exit_bp: float = 0.5  # leave when the forecast is so much against the position
    maximum_holding_ms: int = 30_000
    retry_interval_ms: int = 100  # between two orders


class State:
    entry_time_ns: int
    next_order_time_ns: int
    signals: int  # times the forecast was worth more than its cost


def on_book(state, params, book, forecast, account, instrument, orders, now_ns):
    if book.state != VALID or forecast.ready == 0 or account.open_orders > 0 or now_ns < state.next_order_time_ns:
        return
    bid, ask = book.bid_price_ticks[0], book.ask_price_ticks[0]
    if book.bid_quantity_lots[0] == 0 or book.ask_quantity_lots[0] == 0:
        return
    expected_bp = forecast.values[params.horizon]
    threshold_bp = round_trip_cost_bp(bid, ask, instrument) + params.margin_bp
    position = account.position_lots
    wanted = lots_of_value(params.position_value, ask, instrument)
    target = position
    if expected_bp > threshold_bp:
        target = wanted
        state.signals += 1
    elif expected_bp < -threshold_bp:
        target = -wanted
        state.signals += 1
    elif position != 0 and leaves(state, params, position, expected_bp, now_ns):
        target = 0
    if target == position:
        return
    if target > position:
        place(orders, BID, ask, target - position, ENTRY_TAG, LIMIT, IOC)
    else:
        place(orders, ASK, bid, position - target, ENTRY_TAG, LIMIT, IOC)
    state.next_order_time_ns = now_ns + params.retry_interval_ms * MILLISECOND_NS


def on_fill(state, fill):
    state.entry_time_ns = fill.receive_time_ns


def round_trip_cost_bp(bid_ticks, ask_ticks, instrument):
    """Spread once and the taker's fee twice, in basis points of the mid price."""
    spread_bp = 20_000.0 * (ask_ticks - bid_ticks) / (ask_ticks + bid_ticks)
    return spread_bp + 2.0 * instrument.taker_fee_e7 / E7_PER_BASIS_POINT


def leaves(state, params, position, expected_bp, now_ns):
    """Whether the reason for the position is gone: the forecast has turned, or time is up."""
    if now_ns - state.entry_time_ns > params.maximum_holding_ms * MILLISECOND_NS:
        return True
    return expected_bp < -params.exit_bp if position > 0 else expected_bp > params.exit_bp

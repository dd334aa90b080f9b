"""hftbacktest on the same events with the same rule; it runs in the virtual environment of the peers, without ours.

    python hftbacktest_run.py EVENTS.npz TERMS.json

Reads one line for each run wanted from standard input, the time between two decisions in ms, and answers with one JSON
line: {"seconds", "decisions", "orders", "fills": [[time ns, side, price ticks, lots], ...], "position_lots"}. Only the
pass over the events is timed: neither the building of the asset nor the compilation (a first run is thrown away). A
fill's time is the decision that saw it.
"""

import json
import sys
import time

import numpy as np
from hftbacktest import (
    BUY,
    CANCELED,
    EXPIRED,
    FILLED,
    GTX,
    LIMIT,
    NONE,
    SELL,
    BacktestAsset,
    ROIVectorMarketDepthBacktest,
)
from numba import njit

FILLS = 100_000
END_OF_DATA = 1


@njit
def side_of(
    hbt, side, order_id, seen_lots, wanted_ticks, wanted_lots, requote_ticks, next_id, fills, filled, tick, lot
):
    """One side's decision. Returns (its order, lots of it seen filled, next order id, fills seen)."""
    orders = hbt.orders(0)
    if order_id != 0 and order_id in orders:
        order = orders.get(order_id)
        executed = round((order.qty - order.leaves_qty) / lot)
        if executed > seen_lots:
            if filled < len(fills):
                fills[filled, 0], fills[filled, 1] = hbt.current_timestamp, side
                fills[filled, 2], fills[filled, 3] = order.price_tick, executed - seen_lots
            filled += 1
            seen_lots = executed
        if order.status in (FILLED, CANCELED, EXPIRED):
            order_id = 0
        elif order.req == NONE and abs(order.price_tick - wanted_ticks) >= requote_ticks:
            hbt.cancel(0, order_id, False)
    if order_id == 0 and wanted_lots > 0:
        order_id, seen_lots, next_id = next_id, 0, next_id + 1
        if side == BUY:
            hbt.submit_buy_order(0, order_id, wanted_ticks * tick, wanted_lots * lot, GTX, LIMIT, False)
        else:
            hbt.submit_sell_order(0, order_id, wanted_ticks * tick, wanted_lots * lot, GTX, LIMIT, False)
    return order_id, seen_lots, next_id, filled


@njit
def market_making(hbt, interval_ns, half_spread, skew, quote_lots, largest, requote, tick, lot, fills):
    """The rule of market_making.py. Returns (decisions, orders, fills seen, 1 at the end of the data)."""
    bid_id = ask_id = bid_seen = ask_seen = filled = decisions = 0
    next_id = 1
    while True:
        code = hbt.elapse(interval_ns)
        if code != 0:
            break
        depth = hbt.depth(0)
        best_bid, best_ask = depth.best_bid_tick, depth.best_ask_tick
        if best_bid <= 0 or best_ask <= best_bid:
            continue
        bid_quantity = round(
            depth.bid_qty_at_tick(best_bid) / lot
        )  # best_bid_qty of 2.4.4 is the price, not the quantity
        ask_quantity = round(depth.ask_qty_at_tick(best_ask) / lot)
        decisions += 1
        position = round(hbt.position(0) / lot)
        fair = (best_bid * ask_quantity + best_ask * bid_quantity) / (bid_quantity + ask_quantity)
        centre = fair - skew * position / largest
        bid = min(int(np.floor(centre - half_spread)), best_ask - 1)
        ask = max(int(np.ceil(centre + half_spread)), best_bid + 1)
        bid_id, bid_seen, next_id, filled = side_of(
            hbt, BUY, bid_id, bid_seen, bid, min(quote_lots, largest - position), requote, next_id, fills, filled,
            tick, lot,
        )  # fmt: skip
        ask_id, ask_seen, next_id, filled = side_of(
            hbt, SELL, ask_id, ask_seen, ask, min(quote_lots, largest + position), requote, next_id, fills, filled,
            tick, lot,
        )  # fmt: skip
        hbt.clear_inactive_orders(0)
    return decisions, next_id - 1, filled, code


def run(events, terms, interval_ms):
    """One pass; what stands in the module's docstring."""
    tick, lot = terms["tick_size"], terms["lot_size"]
    asset = (
        BacktestAsset()
        .data([events])
        .linear_asset(1.0)
        .constant_order_latency(terms["order_latency_ns"], terms["report_latency_ns"])
        .risk_adverse_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(terms["maker_fee"], terms["taker_fee"])
        .tick_size(tick)
        .lot_size(lot)
        .roi_lb(terms["lowest_price"])
        .roi_ub(terms["highest_price"])
        .last_trades_capacity(0)
    )
    hbt = ROIVectorMarketDepthBacktest([asset])
    fills = np.zeros((FILLS, 4), np.int64)
    started = time.perf_counter()
    decisions, orders, filled, code = market_making(
        hbt,
        interval_ms * 1_000_000,
        terms["half_spread_ticks"],
        terms["skew_ticks"],
        terms["quote_lots"],
        terms["maximum_position_lots"],
        terms["requote_ticks"],
        tick,
        lot,
        fills,
    )
    seconds = time.perf_counter() - started
    if code != END_OF_DATA:
        raise RuntimeError(f"hftbacktest stopped before the end of the data with code {code}")
    position, fee = hbt.position(0), hbt.state_values(0).fee
    hbt.close()
    fills[:, 1] = np.where(fills[:, 1] == BUY, 1, 2)
    return {
        "seconds": seconds,
        "decisions": decisions,
        "orders": orders,
        "fills": fills[:filled].tolist(),
        "position_lots": round(position / lot),
        "fees": fee,
    }


def main():
    events = np.load(sys.argv[1])["data"]
    with open(sys.argv[2]) as stream:
        terms = json.load(stream)
    run(events, terms, 100)  # compiles
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(run(events, terms, int(line))), flush=True)


if __name__ == "__main__":
    main()

# What the feature stage remembers of an instrument, and where each feature lies in a row.
from libc.stdint cimport int64_t
from engine.stage cimport FeatureView, View

cdef enum:                       # places in a row: the order of catalogue.py
    SPREAD_TICKS
    SPREAD_BP
    MICROPRICE_OFFSET_TICKS
    IMBALANCE_1
    IMBALANCE_5
    IMBALANCE_10
    DEPTH_SLOPE_BID
    DEPTH_SLOPE_ASK
    BEST_BID_RELATIVE
    BEST_ASK_RELATIVE
    ORDER_FLOW_100MS
    ORDER_FLOW_1S
    ORDER_FLOW_10S
    ORDER_FLOW_5_LEVELS_1S
    ORDER_FLOW_5_LEVELS_10S
    TRADE_IMBALANCE_1S
    TRADE_IMBALANCE_10S
    TRADE_IMBALANCE_60S
    BUY_RATE_10S
    SELL_RATE_10S
    TRADE_RATE_1S
    LAST_TRADE_SIZE
    TIME_SINCE_TRADE_S
    VWAP_DISTANCE_BP
    RETURN_100MS_BP
    RETURN_1S_BP
    RETURN_10S_BP
    REALISED_VARIANCE_1S
    REALISED_VARIANCE_10S
    REALISED_VARIANCE_60S
    BEST_PRICE_AGE_S
    BOOK_RATE_1S

cdef enum:
    FLOW_LEVELS = 5
    MARKS = 1024                 # 10 ms marks kept: the ten-second return and some room
    MARKS_PER_RETURN = 10        # the variances' returns are over 100 ms
    MARKS_LIMIT = 6_000          # silent for a minute: begin anew
    MARK_NS = 10_000_000

cdef struct Decayed:             # sums in which what happened s seconds ago counts 1/e
    double flow_100ms
    double flow_1s
    double flow_10s
    double flow_5_levels_1s
    double flow_5_levels_10s
    double updates_1s
    double trades_1s
    double buys_10s
    double sells_10s
    double bought_1s
    double bought_10s
    double bought_60s
    double sold_1s
    double sold_10s
    double sold_60s
    double traded_value_60s      # lots times (price minus anchor)
    double start_1s              # 1 at the start
    double start_10s

cdef struct Variance:
    double sum                   # of squared log returns, decayed
    double weight                # of ones, decayed alike
    double keep                  # decay over one 100 ms mark
    double rate                  # bp^2/s: what the row shows until the next mark

cdef struct FeatureRow:          # lies in the stage's block
    int64_t started
    int64_t start_time_ns
    int64_t time_ns              # up to when everything is decayed
    int64_t batches              # of the book's view when it was last read
    int64_t best_changed_ns
    int64_t traded_ns            # time of the last trade, or of the start
    int64_t first_mark
    int64_t mark                 # last 10 ms mark written to the ring
    int64_t bid_price_ticks[FLOW_LEVELS]   # as last read; INT64_MIN where there is no level
    int64_t ask_price_ticks[FLOW_LEVELS]   # INT64_MAX where there is no level
    double bid_lots[FLOW_LEVELS]
    double ask_lots[FLOW_LEVELS]
    double mid_ticks
    double log_mid
    double log_mid_at_return     # at the last 100 ms mark
    double anchor_ticks          # mid at the start: keeps the traded value small
    double depth_5_lots          # (B_5 + A_5) / 2 as last read
    double mean_bid_lots
    double mean_ask_lots
    double mean_depth_5_lots
    double mean_trade_lots
    double last_trade_lots       # signed
    Decayed decayed
    Variance variance[3]
    double log_mid_at_mark[MARKS]

cdef struct FeatureRows:         # where everything lies: pointers and settings, never part of a snapshot
    int64_t count
    int64_t warmup_ns
    View books
    FeatureView *views
    FeatureRow *rows
    int64_t *core_time_ns
    double variance_keep[3]

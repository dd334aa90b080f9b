"""The feature stage: 32 numbers an instrument (catalogue.py), kept up to date by constant work for each message.

    LEVEL batch  ->  levels, order flow, mid        TRADE  ->  trades        all of them and TIME  ->  decay to now

Sums that decay are multiplied by exp(-dt / s) at each message: one exponential, of the longest s, and powers of it for
the others. The mid's logarithm is written into a ring at every 10 ms mark, for the returns; the variances take one
squared return at every 100 ms mark. `reference.py` computes the same row from the whole history, with no recursion.

The row begins anew, and is not ready, whenever the book is not VALID or has an empty side. A QUOTE changes nothing
here: its prices reach the book with the next update, and a row mixes no two sources.
"""

from libc.stdint cimport int64_t, uint64_t, INT64_MAX, INT64_MIN
from libc.string cimport memset
from engine.features.row cimport *
from engine.stage cimport BOOK_DEPTH, BookView, FeatureView, Outbox, Stage, view_of
from ipc.message cimport (
    BOOK_STATE_VALID, KIND_BOOK_STATE, KIND_LAPPED, KIND_LEVEL, KIND_TICK_CHANGE, KIND_TIME, KIND_TRADE,
    KIND_TRADING_STATUS, Message, SIDE_BID,
)
from kernels.elementary cimport exp, log

from engine.features.config import FeatureSettings

cdef enum:
    UNKNOWN_INSTRUMENT = 1       # fault code

cdef double AGE_CAP_S = 60.0     # ages are not told beyond
cdef uint64_t BIT = 1
cdef uint64_t KINDS = (
    BIT << KIND_LEVEL | BIT << KIND_TRADE | BIT << KIND_BOOK_STATE | BIT << KIND_TICK_CHANGE
    | BIT << KIND_TRADING_STATUS | BIT << KIND_TIME | BIT << KIND_LAPPED
)


cdef class FeatureStage(Stage):
    """Features of all instruments. View "view": FeatureView, row i is instrument i.

    instruments: rows of the instrument table. book_view: capsule of the book's view; the caller keeps the book alive.
    """
    cdef FeatureRows all

    def __init__(self, instruments, book_view, settings=None):
        settings = settings or FeatureSettings()
        cdef FeatureRows *all = &self.all
        all.count = len(instruments)
        all.warmup_ns = settings.warmup_ms * 1_000_000
        all.books = view_of(book_view)[0]
        if all.books.stride != sizeof(BookView) or all.books.count < all.count:
            raise ValueError("book_view must be the view of a book stage with a row for each instrument")
        all.views = <FeatureView *> self.block("views", all.count * sizeof(FeatureView))
        all.rows = <FeatureRow *> self.block("rows", all.count * sizeof(FeatureRow))
        all.core_time_ns = <int64_t *> self.block("clock", sizeof(int64_t))
        all.variance_keep[0] = exp(-0.1)
        all.variance_keep[1] = exp(-0.01)
        all.variance_keep[2] = exp(-0.1 / 60.0)
        self.add_view("view", all.views, sizeof(FeatureView), all.count)
        self.add_step("step", feature_step, KINDS, True)


cdef int feature_step(void *stage, const Message *message, Outbox *outbox) noexcept nogil:
    cdef FeatureRows *self = &(<FeatureStage> stage).all
    cdef int64_t instrument
    if message.receive_time_ns > self.core_time_ns[0]:
        self.core_time_ns[0] = message.receive_time_ns
    if message.kind == KIND_TIME or message.kind == KIND_LAPPED:
        for instrument in range(self.count):
            update_row(self, instrument, message)
        return 0
    if message.instrument >= self.count:
        return UNKNOWN_INSTRUMENT
    update_row(self, message.instrument, message)
    return 0


cdef void update_row(FeatureRows *self, int64_t instrument, const Message *message) noexcept nogil:
    """Brings one instrument's row up to this message."""
    cdef const BookView *book = <const BookView *> (<char *> self.books.rows + instrument * self.books.stride)
    cdef FeatureRow *row = self.rows + instrument
    cdef FeatureView *view = self.views + instrument
    cdef int64_t now_ns = self.core_time_ns[0]
    if (
        book.state != BOOK_STATE_VALID or book.bid_quantity_lots[0] <= 0 or book.ask_quantity_lots[0] <= 0
        or book.bid_price_ticks[0] + book.ask_price_ticks[0] <= 0
    ):
        row.started = 0
        view.ready = 0
        view.rows = 0
        return
    if row.started and now_ns // MARK_NS - row.mark > MARKS_LIMIT:
        row.started = 0
    if not row.started:
        start_row(self, row, book, view, now_ns)
    else:
        decay_to(row, now_ns)
        if book.batches != row.batches:
            read_book(row, book, view.values)
            row.decayed.updates_1s += 1.0
    if message.kind == KIND_TRADE:
        add_trade(row, message)
    write_values(row, view.values)
    view.event_time_ns = message.event_time_ns
    view.receive_time_ns = now_ns
    view.rows += message.kind != KIND_TIME
    view.ready = now_ns - row.start_time_ns >= self.warmup_ns


cdef void start_row(
    FeatureRows *self, FeatureRow *row, const BookView *book, FeatureView *view, int64_t now_ns
) noexcept nogil:
    """The first row after the book became VALID: no flow, no trades, no returns yet."""
    cdef int64_t i
    memset(row, 0, sizeof(FeatureRow))
    view.rows = 0
    row.started = 1
    row.start_time_ns = row.time_ns = row.best_changed_ns = row.traded_ns = now_ns
    row.decayed.start_1s = row.decayed.start_10s = 1.0
    row.first_mark = row.mark = now_ns // MARK_NS
    read_book(row, book, view.values)
    row.best_changed_ns = now_ns
    row.decayed.flow_100ms = row.decayed.flow_1s = row.decayed.flow_10s = 0.0
    row.decayed.flow_5_levels_1s = row.decayed.flow_5_levels_10s = 0.0
    row.anchor_ticks = row.mid_ticks
    row.log_mid_at_return = row.log_mid
    row.log_mid_at_mark[row.mark & (MARKS - 1)] = row.log_mid
    row.mean_bid_lots = row.bid_lots[0]
    row.mean_ask_lots = row.ask_lots[0]
    row.mean_depth_5_lots = row.depth_5_lots
    for i in range(3):
        row.variance[i].keep = self.variance_keep[i]


# -- time -----------------------------------------------------------------------------------------------------------

cdef inline double tenth_power(double x) noexcept nogil:
    cdef double x2 = x * x
    cdef double x4 = x2 * x2
    return x4 * x4 * x2


cdef void decay_to(FeatureRow *row, int64_t now_ns) noexcept nogil:
    """Lets time pass: nothing else happened since the last message."""
    cdef Decayed *sums = &row.decayed
    cdef double keep_60s, keep_10s, keep_1s, keep_100ms
    if now_ns // MARK_NS != row.mark:
        pass_marks(row, now_ns // MARK_NS)
    if now_ns == row.time_ns:
        return
    keep_60s = exp(<double> (row.time_ns - now_ns) * (1e-9 / 60.0))
    keep_10s = keep_60s * keep_60s
    keep_10s = keep_10s * keep_10s * keep_10s
    keep_1s = tenth_power(keep_10s)
    keep_100ms = tenth_power(keep_1s)
    row.time_ns = now_ns
    sums.flow_100ms *= keep_100ms
    sums.flow_1s *= keep_1s
    sums.flow_10s *= keep_10s
    sums.flow_5_levels_1s *= keep_1s
    sums.flow_5_levels_10s *= keep_10s
    sums.updates_1s *= keep_1s
    sums.trades_1s *= keep_1s
    sums.buys_10s *= keep_10s
    sums.sells_10s *= keep_10s
    sums.bought_1s *= keep_1s
    sums.bought_10s *= keep_10s
    sums.bought_60s *= keep_60s
    sums.sold_1s *= keep_1s
    sums.sold_10s *= keep_10s
    sums.sold_60s *= keep_60s
    sums.traded_value_60s *= keep_60s
    sums.start_1s *= keep_1s
    sums.start_10s *= keep_10s
    row.mean_bid_lots = row.bid_lots[0] + keep_10s * (row.mean_bid_lots - row.bid_lots[0])
    row.mean_ask_lots = row.ask_lots[0] + keep_10s * (row.mean_ask_lots - row.ask_lots[0])
    row.mean_depth_5_lots = row.depth_5_lots + keep_10s * (row.mean_depth_5_lots - row.depth_5_lots)


cdef void pass_marks(FeatureRow *row, int64_t mark) noexcept nogil:
    """Writes the mid that held until now at every 10 ms mark that has passed, and a squared return at every tenth."""
    cdef int64_t at, i
    cdef double log_return
    for at in range(row.mark + 1, mark + 1):
        if mark - at < MARKS:
            row.log_mid_at_mark[at & (MARKS - 1)] = row.log_mid
        if at % MARKS_PER_RETURN == 0:
            log_return = row.log_mid - row.log_mid_at_return
            row.log_mid_at_return = row.log_mid
            for i in range(3):
                row.variance[i].sum = row.variance[i].sum * row.variance[i].keep + log_return * log_return
                row.variance[i].weight = row.variance[i].weight * row.variance[i].keep + 1.0
                row.variance[i].rate = 1e9 * row.variance[i].sum / row.variance[i].weight
    row.mark = mark


# -- book -----------------------------------------------------------------------------------------------------------

cdef inline double first_five(const int64_t *lots) noexcept nogil:
    return ((<double> lots[0] + <double> lots[1]) + (<double> lots[2] + <double> lots[3])) + <double> lots[4]


cdef inline double side_flow(int64_t better, int64_t worse, double lots, double lots_before) noexcept nogil:
    """Lots that came to one side of one level: better and worse say how its price compares with the price before."""
    return (0.0 if worse else lots) - (0.0 if better else lots_before)


cdef inline double level_flow(FeatureRow *row, const BookView *book, int64_t level) noexcept nogil:
    """Order flow at one level (Cont et al.), and remembers the level for the next time."""
    cdef double bid_lots = <double> book.bid_quantity_lots[level], ask_lots = <double> book.ask_quantity_lots[level]
    cdef int64_t bid = book.bid_price_ticks[level] if bid_lots > 0.0 else INT64_MIN
    cdef int64_t ask = book.ask_price_ticks[level] if ask_lots > 0.0 else INT64_MAX
    cdef int64_t bid_before = row.bid_price_ticks[level], ask_before = row.ask_price_ticks[level]
    cdef double flow = (
        side_flow(bid > bid_before, bid < bid_before, bid_lots, row.bid_lots[level])
        - side_flow(ask < ask_before, ask > ask_before, ask_lots, row.ask_lots[level])
    )
    row.bid_price_ticks[level] = bid
    row.ask_price_ticks[level] = ask
    row.bid_lots[level] = bid_lots
    row.ask_lots[level] = ask_lots
    return flow


cdef inline double depth_slope(
    const int64_t *prices, const int64_t *lots, int64_t levels, double all_lots, double mid
) noexcept nogil:
    """Growth of the cumulative depth from the best level to the last shown, per basis point of distance."""
    cdef int64_t last = (levels if levels < BOOK_DEPTH else BOOK_DEPTH) - 1
    cdef int64_t distance = prices[last] - prices[0]
    if last < 1:
        return 0.0
    return log(all_lots / <double> lots[0]) * mid / (1e4 * <double> (distance if distance > 0 else -distance))


cdef void read_book(FeatureRow *row, const BookView *book, double *values) noexcept nogil:
    """What changes with the book only: levels, order flow, the mid."""
    cdef int64_t spread = book.ask_price_ticks[0] - book.bid_price_ticks[0], level
    cdef double bid_lots = <double> book.bid_quantity_lots[0], ask_lots = <double> book.ask_quantity_lots[0]
    cdef double bid_5 = first_five(book.bid_quantity_lots), ask_5 = first_five(book.ask_quantity_lots)
    cdef double bid_10 = bid_5 + first_five(book.bid_quantity_lots + 5)
    cdef double ask_10 = ask_5 + first_five(book.ask_quantity_lots + 5)
    cdef double mid = 0.5 * <double> (book.ask_price_ticks[0] + book.bid_price_ticks[0])
    cdef double flow, flow_5_levels
    if book.bid_price_ticks[0] != row.bid_price_ticks[0] or book.ask_price_ticks[0] != row.ask_price_ticks[0]:
        row.best_changed_ns = row.time_ns
    if mid != row.mid_ticks:
        row.mid_ticks = mid
        row.log_mid = log(mid)
    flow = flow_5_levels = level_flow(row, book, 0)
    for level in range(1, FLOW_LEVELS):
        flow_5_levels += level_flow(row, book, level)
    row.decayed.flow_100ms += flow
    row.decayed.flow_1s += flow
    row.decayed.flow_10s += flow
    row.decayed.flow_5_levels_1s += flow_5_levels
    row.decayed.flow_5_levels_10s += flow_5_levels
    row.depth_5_lots = 0.5 * (bid_5 + ask_5)
    row.batches = book.batches
    values[SPREAD_TICKS] = <double> spread
    values[SPREAD_BP] = 1e4 * <double> spread / mid
    values[IMBALANCE_1] = (bid_lots - ask_lots) / (bid_lots + ask_lots)
    values[MICROPRICE_OFFSET_TICKS] = 0.5 * <double> spread * values[IMBALANCE_1]
    values[IMBALANCE_5] = (bid_5 - ask_5) / (bid_5 + ask_5)
    values[IMBALANCE_10] = (bid_10 - ask_10) / (bid_10 + ask_10)
    values[DEPTH_SLOPE_BID] = depth_slope(book.bid_price_ticks, book.bid_quantity_lots, book.bid_count, bid_10, mid)
    values[DEPTH_SLOPE_ASK] = depth_slope(book.ask_price_ticks, book.ask_quantity_lots, book.ask_count, ask_10, mid)


# -- trades ---------------------------------------------------------------------------------------------------------

cdef void add_trade(FeatureRow *row, const Message *trade) noexcept nogil:
    cdef Decayed *sums = &row.decayed
    cdef double lots = <double> trade.quantity_lots
    if row.mean_trade_lots == 0.0:
        row.mean_trade_lots = lots
    else:
        row.mean_trade_lots += (lots - row.mean_trade_lots) * 0.0625
    row.traded_ns = row.time_ns
    sums.trades_1s += 1.0
    sums.traded_value_60s += lots * (<double> trade.price_ticks - row.anchor_ticks)
    if trade.side == SIDE_BID:
        row.last_trade_lots = lots
        sums.buys_10s += 1.0
        sums.bought_1s += lots
        sums.bought_10s += lots
        sums.bought_60s += lots
    else:
        row.last_trade_lots = -lots
        sums.sells_10s += 1.0
        sums.sold_1s += lots
        sums.sold_10s += lots
        sums.sold_60s += lots


# -- the row --------------------------------------------------------------------------------------------------------

cdef inline double age_s(int64_t now_ns, int64_t since_ns) noexcept nogil:
    cdef double age = <double> (now_ns - since_ns) * 1e-9
    return age if age < AGE_CAP_S else AGE_CAP_S


cdef inline double per_second(double horizon_s, double start) noexcept nogil:
    """Decayed count to rate; `start` is exp(-age / horizon): a young row is not told too low, nor a newborn high."""
    return 1.0 / (horizon_s * (1.0 - start if start < 0.9 else 0.1))


cdef inline double log_mid_before(const FeatureRow *row, int64_t horizon_ns) noexcept nogil:
    """At the last 10 ms mark a horizon ago, or at the start if that is later."""
    cdef int64_t mark = (row.time_ns - horizon_ns) // MARK_NS
    return row.log_mid_at_mark[(mark if mark > row.first_mark else row.first_mark) & (MARKS - 1)]


cdef inline double trade_imbalance(double bought, double sold, double mean_trade) noexcept nogil:
    return (bought - sold) / (bought + sold + mean_trade) if mean_trade > 0.0 else 0.0


cdef void write_values(const FeatureRow *row, double *values) noexcept nogil:
    """What changes with time and trades."""
    cdef const Decayed *sums = &row.decayed
    cdef double per_depth = 2.0 / (row.mean_bid_lots + row.mean_ask_lots)
    cdef double per_depth_5 = 1.0 / row.mean_depth_5_lots
    cdef double traded = sums.bought_60s + sums.sold_60s
    cdef double rate_1s = per_second(1.0, sums.start_1s), rate_10s = per_second(10.0, sums.start_10s)
    values[BEST_BID_RELATIVE] = row.bid_lots[0] / row.mean_bid_lots
    values[BEST_ASK_RELATIVE] = row.ask_lots[0] / row.mean_ask_lots
    values[ORDER_FLOW_100MS] = sums.flow_100ms * per_depth
    values[ORDER_FLOW_1S] = sums.flow_1s * per_depth
    values[ORDER_FLOW_10S] = sums.flow_10s * per_depth
    values[ORDER_FLOW_5_LEVELS_1S] = sums.flow_5_levels_1s * per_depth_5
    values[ORDER_FLOW_5_LEVELS_10S] = sums.flow_5_levels_10s * per_depth_5
    values[TRADE_IMBALANCE_1S] = trade_imbalance(sums.bought_1s, sums.sold_1s, row.mean_trade_lots)
    values[TRADE_IMBALANCE_10S] = trade_imbalance(sums.bought_10s, sums.sold_10s, row.mean_trade_lots)
    values[TRADE_IMBALANCE_60S] = trade_imbalance(sums.bought_60s, sums.sold_60s, row.mean_trade_lots)
    values[BUY_RATE_10S] = sums.buys_10s * rate_10s
    values[SELL_RATE_10S] = sums.sells_10s * rate_10s
    values[TRADE_RATE_1S] = sums.trades_1s * rate_1s
    values[BOOK_RATE_1S] = sums.updates_1s * rate_1s
    values[LAST_TRADE_SIZE] = row.last_trade_lots / row.mean_trade_lots if row.mean_trade_lots > 0.0 else 0.0
    values[TIME_SINCE_TRADE_S] = age_s(row.time_ns, row.traded_ns)
    values[BEST_PRICE_AGE_S] = age_s(row.time_ns, row.best_changed_ns)
    values[VWAP_DISTANCE_BP] = 0.0
    if traded > 1e-100:
        values[VWAP_DISTANCE_BP] = (
            1e4 * ((row.mid_ticks - row.anchor_ticks) * traded - sums.traded_value_60s) / (traded * row.mid_ticks)
        )
    values[RETURN_100MS_BP] = 1e4 * (row.log_mid - log_mid_before(row, 100_000_000))
    values[RETURN_1S_BP] = 1e4 * (row.log_mid - log_mid_before(row, 1_000_000_000))
    values[RETURN_10S_BP] = 1e4 * (row.log_mid - log_mid_before(row, 10_000_000_000))
    values[REALISED_VARIANCE_1S] = row.variance[0].rate
    values[REALISED_VARIANCE_10S] = row.variance[1].rate
    values[REALISED_VARIANCE_60S] = row.variance[2].rate

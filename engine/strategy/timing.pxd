# Bars and timers: intervals aligned to UTC, ended by the first message whose receive time is past their end.
from libc.stdint cimport int64_t
from libc.string cimport memcpy
from engine.stage cimport Outbox
from engine.strategy.calling cimport call, call_all, call_instrument
from engine.strategy.records cimport Bar, Core, Group, ON_BAR, ON_START, ON_TIMER
from ipc.message cimport Message, SIDE_BID

cdef inline int64_t next_multiple(int64_t now_ns, int64_t interval_ns) noexcept nogil:
    return now_ns - now_ns % interval_ns + interval_ns

cdef inline void close_bars(Core *core, const Message *cause, Outbox *outbox) noexcept nogil:
    """Ends the interval at hand for every instrument that has traded, then opens the one that contains now."""
    cdef int64_t instrument, interval = core.bar_interval_ns
    cdef Bar *bar
    for instrument in range(core.instruments):
        bar = &core.bars[instrument]
        if bar.close_price_ticks == 0:
            continue
        bar.start_time_ns = core.clock.bar_end_ns - interval
        bar.end_time_ns = core.clock.bar_end_ns
        memcpy(core.event, bar, sizeof(Bar))
        bar.open_price_ticks = bar.high_price_ticks = bar.low_price_ticks = bar.close_price_ticks
        bar.volume_lots = bar.buy_lots = bar.trades = 0
        call_instrument(core, ON_BAR, instrument, cause, outbox)
    core.clock.bar_end_ns = next_multiple(core.clock.now_ns, interval)

cdef inline void add_to_bar(Bar *bar, const Message *trade) noexcept nogil:
    if bar.trades == 0:
        bar.open_price_ticks = bar.high_price_ticks = bar.low_price_ticks = trade.price_ticks
    if trade.price_ticks > bar.high_price_ticks:
        bar.high_price_ticks = trade.price_ticks
    if trade.price_ticks < bar.low_price_ticks:
        bar.low_price_ticks = trade.price_ticks
    bar.close_price_ticks = trade.price_ticks
    bar.volume_lots += trade.quantity_lots
    if trade.side == SIDE_BID:
        bar.buy_lots += trade.quantity_lots
    bar.trades += 1

cdef inline void run_timers(Core *core, const Message *cause, Outbox *outbox) noexcept nogil:
    """Calls on_timer where it is due; the next time is a multiple of the interval, and lost ones are not made up."""
    cdef int64_t g, i, first, last, now = core.clock.now_ns, soonest = 0x7FFFFFFFFFFFFFFF
    cdef Group *group
    for g in range(core.group_count):
        group = &core.groups[g]
        if not group.has[ON_TIMER]:
            continue
        first = 0
        while first < group.count:
            last = first
            while (last < group.count and group.instances[last].next_timer_ns <= now
                    and group.instances[last].instrument == group.instances[first].instrument):
                last += 1
            if first < last:
                call(core, group, ON_TIMER, first, last, group.instances[first].instrument, cause, outbox)
                for i in range(first, last):
                    group.instances[i].next_timer_ns = next_multiple(now, group.timer_interval_ns[i])
                first = last
            else:
                first += 1
        for i in range(group.count):
            if group.instances[i].next_timer_ns < soonest:
                soonest = group.instances[i].next_timer_ns
    core.clock.next_timer_ns = soonest

cdef inline void start(Core *core, const Message *cause, Outbox *outbox) noexcept nogil:
    """The first message sets every clock going and calls on_start."""
    cdef int64_t g, i
    core.clock.started = 1
    core.clock.bar_end_ns = next_multiple(core.clock.now_ns, core.bar_interval_ns)
    for g in range(core.group_count):
        for i in range(core.groups[g].count):
            core.groups[g].instances[i].next_timer_ns = next_multiple(
                core.clock.now_ns, core.groups[g].timer_interval_ns[i])
    call_all(core, ON_START, cause, outbox)

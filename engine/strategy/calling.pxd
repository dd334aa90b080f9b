# Calling the instances of a group, and turning what they left behind into messages.
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset
from engine.stage cimport Outbox, View, WORKING_ORDERS, WorkingOrder, emit
from engine.strategy.records cimport Activity, CHUNK, Core, Group, Instance, REQUESTS, Request
from ipc.message cimport (
    ACTION_CANCEL, FLAG_LAST, FLAG_MORE, KIND_DETAIL, KIND_INTENT, KIND_REFUSAL, Message, ORDER_STATE_ACCEPTED,
    ORDER_STATE_PARTLY_FILLED, OrderDetail, REFUSAL_OUTBOX_FULL, REFUSAL_STRATEGY_FAILED, SOURCE_CORE, SOURCE_SHIFT,
)

cdef inline void *row_of(const View *view, int64_t index) noexcept nogil:
    """A row of a view; an absent view is one row of zeros."""
    return <char *> view.rows + (index if index < view.count else 0) * view.stride

# -- what they left behind

# FNV's start and the golden ratio: any change of a state changes its hash.
cdef inline uint64_t hash_start() noexcept nogil:
    return 0xCBF29CE484222325ULL

cdef inline uint64_t mixed(uint64_t value, uint64_t word) noexcept nogil:
    return (value ^ word) * 0x9E3779B97F4A7C15ULL

cdef inline uint64_t state_hash(
    const uint64_t *words, const int64_t *is_float, int64_t count, int64_t *failed
) noexcept nogil:
    """Hash of one state; sets `failed` when a float64 field is not finite."""
    cdef uint64_t value = hash_start()
    cdef int64_t i
    for i in range(count):
        failed[0] |= is_float[i] & (((words[i] >> 52) & 0x7FF) == 0x7FF)
        value = mixed(value, words[i])
    return value ^ (value >> 29)

cdef inline void write_header(
    Message *pair, int64_t kind, const Instance *instance, const Message *cause
) noexcept nogil:
    """Every field of both records of a message of the core: what every one has, its strategy and cause, else zeros."""
    cdef OrderDetail *detail = <OrderDetail *> (pair + 1)
    pair.sequence = detail.sequence = 0
    pair.event_time_ns = detail.event_time_ns = cause.event_time_ns
    pair.receive_time_ns = detail.receive_time_ns = cause.receive_time_ns
    pair.instrument = detail.instrument = instance.instrument
    pair.kind = kind
    pair.side = 0
    pair.flags = FLAG_MORE | (SOURCE_CORE << SOURCE_SHIFT)
    pair.price_ticks = pair.quantity_lots = pair.order_id = pair.extra = 0
    detail.kind = KIND_DETAIL
    detail.action = detail.order_type = detail.time_in_force = detail.reduce_only = 0
    detail.flags = FLAG_LAST | (SOURCE_CORE << SOURCE_SHIFT)
    detail.cause_sequence = cause.sequence
    detail.cause_source = cause.flags >> SOURCE_SHIFT
    detail.strategy = instance.strategy
    detail.target_order_id = detail.tag = 0

cdef inline void refuse(int64_t code, const Instance *instance, int64_t tag, int64_t observed, int64_t limit,
                        const Message *cause, Outbox *outbox) noexcept nogil:
    """A REFUSAL of two records: the second names the strategy."""
    cdef Message *refusal = emit(outbox, 2)
    if refusal == NULL:
        return
    write_header(refusal, KIND_REFUSAL, instance, cause)
    refusal.price_ticks = limit
    refusal.quantity_lots = observed
    refusal.order_id = tag
    refusal.extra = code
    (<OrderDetail *> (refusal + 1)).tag = tag

cdef inline void request(const Request *asked, Instance *instance, Activity *activity, const Message *cause,
                         Outbox *outbox) noexcept nogil:
    """One request as an INTENT of two records, or the refusal that is known already."""
    cdef Message *intent
    cdef OrderDetail *detail
    if asked.refusal:
        refuse(asked.refusal, instance, asked.tag, 0, 0, cause, outbox)
        return
    intent = emit(outbox, 2)
    if intent == NULL:
        return
    write_header(intent, KIND_INTENT, instance, cause)
    intent.side = asked.side
    intent.price_ticks = asked.price_ticks
    intent.quantity_lots = asked.quantity_lots
    detail = <OrderDetail *> (intent + 1)
    detail.action = asked.action
    detail.order_type = asked.order_type
    detail.time_in_force = asked.time_in_force
    detail.reduce_only = asked.reduce_only
    detail.target_order_id = asked.target_order_id
    detail.tag = asked.tag
    instance.intents += 1
    activity.intents += 1

cdef inline void withdraw(Core *core, const Instance *instance, const Message *cause, Outbox *outbox) noexcept nogil:
    """Asks for the end of what an instance that was switched off still has in the book, as far as it is confirmed."""
    cdef const WorkingOrder *order
    cdef Message *intent
    cdef int64_t i
    for i in range(WORKING_ORDERS):
        order = &core.accounts[instance.strategy].working[i]
        if order.order_id == 0 or order.state not in (ORDER_STATE_ACCEPTED, ORDER_STATE_PARTLY_FILLED):
            continue
        intent = emit(outbox, 2)
        if intent == NULL:
            return
        write_header(intent, KIND_INTENT, instance, cause)
        (<OrderDetail *> (intent + 1)).action = ACTION_CANCEL
        (<OrderDetail *> (intent + 1)).target_order_id = order.order_id

cdef inline void withdraw_all(Core *core, const Message *cause, Outbox *outbox) noexcept nogil:
    """The same for every instance that was switched off: what was under way then is confirmed by now."""
    cdef int64_t g, i
    for g in range(core.group_count):
        for i in range(core.groups[g].count):
            if not core.groups[g].instances[i].enabled:
                withdraw(core, &core.groups[g].instances[i], cause, outbox)

cdef inline void settle(
    Core *core, Group *group, int callback, int64_t first, int64_t last, int64_t instrument, const Message *cause,
    Outbox *outbox
) noexcept nogil:
    """Judges the states of a chunk, switches off what failed, and says what the others asked for."""
    cdef Activity *activity = &core.activity[instrument]
    cdef Instance *instance
    cdef uint64_t *words
    cdef uint64_t value
    cdef int64_t i
    for i in range(first, last):
        instance = &group.instances[i]
        if not instance.enabled:
            continue
        words = <uint64_t *> group.states + i * group.state_words
        value = state_hash(words, group.is_float, group.state_words, &instance.failed)
        instance.calls += 1
        activity.calls += 1
        if instance.failed:
            instance.enabled = 0
            memset(words, 0, group.state_words * 8)
            value = 0
            activity.faults += 1
            refuse(REFUSAL_STRATEGY_FAILED, instance, 0, callback, 0, cause, outbox)
            withdraw(core, instance, cause, outbox)
        activity.digest = mixed(activity.digest, value)
    for i in range(core.orders.count):
        instance = &group.instances[core.orders.requests[i].instance]
        if instance.enabled:
            request(&core.orders.requests[i], instance, activity, cause, outbox)
    for i in range(first, last):
        instance = &group.instances[i]
        if instance.enabled and instance.dropped:
            refuse(REFUSAL_OUTBOX_FULL, instance, 0, instance.dropped, REQUESTS // CHUNK, cause, outbox)

# -- calling

cdef inline void call(
    Core *core, Group *group, int callback, int64_t first, int64_t last, int64_t instrument, const Message *cause,
    Outbox *outbox
) noexcept nogil:
    """One callback for instances of one instrument, in chunks; each chunk's requests leave before the next."""
    cdef int64_t end
    if not group.has[callback]:
        return
    while first < last:
        end = first + CHUNK if first + CHUNK < last else last
        core.orders.count = 0
        if group.plain != NULL:
            core.call_plain(group.plain, callback, first, end, instrument, core.clock.now_ns)
        else:
            group.each[callback](
                first, end, group.instances, group.states, group.params, core.accounts, row_of(&core.book, instrument),
                row_of(&core.features, instrument), row_of(&core.forecast, instrument), row_of(&core.facts, instrument),
                core.event, core.clock.now_ns, core.orders,
            )
        settle(core, group, callback, first, end, instrument, cause, outbox)
        first = end

cdef inline void call_instrument(
    Core *core, int callback, int64_t instrument, const Message *cause, Outbox *outbox
) noexcept nogil:
    cdef int64_t i
    for i in range(core.group_count):
        call(core, &core.groups[i], callback, core.groups[i].first[instrument], core.groups[i].first[instrument + 1],
             instrument, cause, outbox)

cdef inline void call_all(Core *core, int callback, const Message *cause, Outbox *outbox) noexcept nogil:
    cdef int64_t instrument
    for instrument in range(core.instruments):
        call_instrument(core, callback, instrument, cause, outbox)

cdef inline void call_strategy(
    Core *core, int callback, int64_t strategy, const Message *cause, Outbox *outbox
) noexcept nogil:
    cdef Group *group = &core.groups[core.group_of[strategy]]
    cdef int64_t slot = core.slot_of[strategy]
    call(core, group, callback, slot, slot + 1, group.instances[slot].instrument, cause, outbox)

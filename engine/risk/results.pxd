# Results of the risk process: a batch is gathered beside the one that counts and takes its place at its end, whole, or
# is refused whole. Nothing here loops over more than one message, but for the end of a batch, and of an instrument's
# scenarios.
from libc.math cimport fabs
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset
from ipc.message cimport (
    FLAG_LAST, FLAG_MORE, KIND_RISK_BATCH, KIND_RISK_ROW, KIND_RISK_VALUE, Message, RISK_ROW_CORRELATION,
    RISK_ROW_CVAR_LONG, RISK_ROW_CVAR_SHORT, RISK_ROW_MARGINAL_CVAR, RISK_ROW_VOLATILITY,
    RISK_METHOD_MIXED, RISK_METHOD_PRIOR, RISK_VALUE_CORRELATION_LARGEST, RISK_VALUE_CORRELATION_MEAN, RISK_VALUE_CVAR,
    RISK_VALUE_QUALITY, RISK_VALUE_REGIME, RISK_VALUE_VAR, RISK_VALUE_VOLATILITY_RATIO, VectorDetail,
)
from engine.stage cimport ResultView, RiskView, records_of
from engine.risk.desk cimport Batch, Desk, InstrumentRisk, LIMIT_RESULTS_AGE_NS, PendingRow, RISK_VALUES
from engine.risk.guards cimport ONE_E6, scale_limits, scale_of_results, set_caps
from kernels.elementary cimport from_bits
from kernels.exposure.book cimport CvarRow, begin, place
from kernels.exposure.bounds cimport agree, is_number
from kernels.exposure.tail cimport move, stand_alone_tail

cdef enum ResultFault:         # what a RISK_RESULT_INVALID says it observed
    RESULT_COMPLETE = 0
    RESULT_NOT_A_NUMBER = 1
    RESULT_WRONG_COUNT = 2     # records, scenarios or instruments: too many, too few, or out of order
    RESULT_CONTRADICTS = 3     # figures that cannot be of the scenarios beside them, a time that has not come, ..
    RESULT_UNFINISHED = 4      # the next batch began before its end

cdef enum:
    ALL_ROWS = (
        1 << RISK_ROW_VOLATILITY | 1 << RISK_ROW_MARGINAL_CVAR | 1 << RISK_ROW_CVAR_LONG | 1 << RISK_ROW_CVAR_SHORT
        | 1 << RISK_ROW_CORRELATION
    )
    ALL_VALUES = (
        1 << RISK_VALUE_REGIME | 1 << RISK_VALUE_VAR | 1 << RISK_VALUE_CVAR | 1 << RISK_VALUE_CORRELATION_MEAN
        | 1 << RISK_VALUE_CORRELATION_LARGEST | 1 << RISK_VALUE_VOLATILITY_RATIO | 1 << RISK_VALUE_QUALITY
    )
    SCENARIOS_PER_RECORD = 8
    LANES = 4                  # sums that go on side by side

# -- QUERIES --

cdef inline double atoms_of(const InstrumentRisk *instrument, int64_t lots, int64_t half_ticks) noexcept nogil:
    """Value of lots, below 0 where sold; within a few roundings, which the bounds allow for."""
    if lots == 0:
        return 0.0
    return <double> lots * <double> half_ticks * (<double> instrument.numerator / <double> instrument.denominator)

cdef inline double held_atoms(const Desk *desk, int64_t index) noexcept nogil:
    """Value held of an instrument, at its mid of now; 0 where it cannot be valued."""
    cdef const InstrumentRisk *instrument = desk.instruments + index
    if instrument.denominator == 0:
        return 0.0
    return atoms_of(instrument, instrument.position_lots, instrument.reference_half_ticks)

cdef inline double slope(const double *losses, const double *book, double own_atoms, int64_t count) noexcept nogil:
    """Of the losses of the book without what is held of one instrument, on the losses of a unit of that instrument, by
    moments about zero, which are those of growth; 0 where it does not move. count: a multiple of LANES."""
    cdef double[LANES] squares, products
    cdef double square = 0.0, product = 0.0
    cdef int64_t s, step, lane
    memset(squares, 0, sizeof(squares))
    memset(products, 0, sizeof(products))
    for step in range(count // LANES):
        s = step * LANES
        for lane in range(LANES):
            squares[lane] += losses[s + lane] * losses[s + lane]
            products[lane] += losses[s + lane] * (book[s + lane] - own_atoms * losses[s + lane])
    for lane in range(LANES):
        square += squares[lane]
        product += products[lane]
    return product / square if square > 0.0 else 0.0

# -- COMMANDS --

cdef inline void place_box(Desk *desk, int64_t index) noexcept nogil:
    """What may be held of an instrument, valued at its mid of now, into the CVaR book."""
    cdef const InstrumentRisk *instrument = desk.instruments + index
    if instrument.denominator == 0:
        return
    place(&desk.cvar, index,
          atoms_of(instrument, instrument.position_lots - instrument.open_sell_lots, instrument.reference_half_ticks),
          atoms_of(instrument, instrument.position_lots + instrument.open_buy_lots, instrument.reference_half_ticks))

cdef inline void fail(Batch *batch, int64_t fault) noexcept nogil:
    if batch.wrong == 0:
        batch.wrong = fault

cdef inline void open_batch(Desk *desk, const Message *message) noexcept nogil:
    cdef Batch *batch = desk.batch
    cdef int64_t index
    batch.is_open = 1
    batch.version = message.order_id
    batch.time_ns = message.event_time_ns
    batch.records = message.quantity_lots
    batch.method = message.extra
    batch.received = batch.present = batch.wrong = 0
    for index in range(desk.instrument_count):
        memset(desk.pending + index, 0, sizeof(PendingRow))
    if message.price_ticks != desk.cvar.scenarios or batch.version <= 0:
        fail(batch, RESULT_WRONG_COUNT)

cdef inline void take_value(Desk *desk, const Message *message) noexcept nogil:
    cdef double value = from_bits(<unsigned long long> message.extra)
    cdef Batch *batch = desk.batch
    if not is_number(value):
        fail(batch, RESULT_NOT_A_NUMBER)
    elif not 0 < message.order_id < RISK_VALUES:
        fail(batch, RESULT_WRONG_COUNT)
    else:
        batch.values[message.order_id + RISK_VALUES] = value
        batch.present |= <int64_t> 1 << message.order_id

cdef inline void take_row(Desk *desk, const Message *message) noexcept nogil:
    cdef double value = from_bits(<unsigned long long> message.extra)
    cdef PendingRow *row
    if not is_number(value):
        fail(desk.batch, RESULT_NOT_A_NUMBER)
        return
    if message.instrument >= desk.instrument_count or not 0 < message.order_id <= RISK_ROW_CORRELATION:
        fail(desk.batch, RESULT_WRONG_COUNT)
        return
    row = desk.pending + message.instrument
    row.present |= <int64_t> 1 << message.order_id
    if message.order_id == RISK_ROW_VOLATILITY:
        row.values.volatility = value
    elif message.order_id == RISK_ROW_MARGINAL_CVAR:
        row.values.marginal = value
        row.values.reference_lots = message.quantity_lots
        row.values.reference_half_ticks = message.price_ticks
    elif message.order_id == RISK_ROW_CVAR_LONG:
        row.values.long_loss = value
    elif message.order_id == RISK_ROW_CVAR_SHORT:
        row.values.short_loss = value
    else:
        row.values.correlation = value

cdef inline void measure_alone(Desk *desk, int64_t index) noexcept nogil:
    """The stand-alone figures of one instrument from its pending scenarios: the upper bound rests on them."""
    cdef PendingRow *row = desk.pending + index
    cdef const double *losses = desk.scenarios[1 - desk.batch.active] + index * desk.cvar.scenarios
    row.long_loss = stand_alone_tail(losses, 1.0, desk.cvar.scenarios, desk.cvar.tail, desk.cvar.candidates)
    row.short_loss = stand_alone_tail(losses, -1.0, desk.cvar.scenarios, desk.cvar.tail, desk.cvar.candidates)

cdef inline void take_scenarios(Desk *desk, const Message *message) noexcept nogil:
    """At most a hundred or so a message: the writer cuts them so."""
    cdef const VectorDetail *detail = <const VectorDetail *> (message + 1)
    cdef int64_t records = records_of(message) - 1, i, lane
    cdef PendingRow *row = desk.pending + message.instrument
    cdef double *target
    cdef double value
    if (message.instrument >= desk.instrument_count or message.order_id != row.scenarios
            or message.quantity_lots != records * SCENARIOS_PER_RECORD
            or row.scenarios + message.quantity_lots > desk.cvar.scenarios):
        fail(desk.batch, RESULT_WRONG_COUNT)
        return
    target = desk.scenarios[1 - desk.batch.active] + message.instrument * desk.cvar.scenarios + row.scenarios
    for i in range(records):
        for lane in range(SCENARIOS_PER_RECORD):
            value = <double> detail[i].values[lane]
            if not is_number(value):
                fail(desk.batch, RESULT_NOT_A_NUMBER)
            target[i * SCENARIOS_PER_RECORD + lane] = value
            if fabs(value) > row.largest:
                row.largest = fabs(value)
    row.scenarios += message.quantity_lots
    if row.scenarios == desk.cvar.scenarios and desk.batch.wrong == 0:
        measure_alone(desk, message.instrument)

cdef inline bint is_sane(const Desk *desk) noexcept nogil:
    """Whether the values of the portfolio lie where such values lie, and the time is one that has come: results of a
    time ahead would not grow old."""
    cdef const double *values = desk.batch.values + RISK_VALUES
    cdef int64_t time_ns = desk.batch.time_ns, now_ns = desk.state.core_time_ns
    return (
        time_ns >= 0 and (now_ns == 0 or time_ns <= now_ns + desk.view.limit[LIMIT_RESULTS_AGE_NS])  # 0: no time yet
        and RISK_METHOD_PRIOR <= desk.batch.method <= RISK_METHOD_MIXED
        and values[RISK_VALUE_REGIME] >= 0.0 and values[RISK_VALUE_REGIME] < 1e6
        and values[RISK_VALUE_QUALITY] >= 0.0 and values[RISK_VALUE_QUALITY] <= 1.0
        and values[RISK_VALUE_VOLATILITY_RATIO] >= 0.0 and values[RISK_VALUE_VOLATILITY_RATIO] < 1e6
        and fabs(values[RISK_VALUE_CORRELATION_MEAN]) <= 1.000001
        and fabs(values[RISK_VALUE_CORRELATION_LARGEST]) <= 1.000001
        and fabs(values[RISK_VALUE_VAR]) < 1e18 and fabs(values[RISK_VALUE_CVAR]) < 1e18
    )

cdef inline bint is_alone(const PendingRow *row) noexcept nogil:
    """Whether the stand-alone figures are those of the scenarios."""
    cdef double near = 1e-9 * row.largest
    return (fabs(row.values.long_loss - row.long_loss) <= near and fabs(row.values.short_loss - row.short_loss) <= near)

cdef inline void check_batch(Desk *desk, const Message *message) noexcept nogil:
    cdef Batch *batch = desk.batch
    cdef PendingRow *row
    cdef int64_t index
    if (message.order_id != batch.version or message.quantity_lots != batch.records
            or batch.received != batch.records or batch.present != ALL_VALUES):
        fail(batch, RESULT_WRONG_COUNT)
    for index in range(desk.instrument_count):
        row = desk.pending + index
        if row.present != ALL_ROWS or row.scenarios != desk.cvar.scenarios or row.values.reference_half_ticks < 0:
            fail(batch, RESULT_WRONG_COUNT)
        if row.values.volatility < 0.0 or fabs(row.values.correlation) > 1.000001 or not is_alone(row):
            fail(batch, RESULT_CONTRADICTS)
    if batch.wrong == 0 and not is_sane(desk):
        fail(batch, RESULT_CONTRADICTS)

cdef inline void describe(Desk *desk, int64_t index, const PendingRow *source) noexcept nogil:
    """Losses of one instrument into the CVaR book."""
    cdef CvarRow *row = desk.cvar.rows + index
    row.losses.marginal = source.values.marginal
    row.losses.long_loss = source.values.long_loss
    row.losses.short_loss = source.values.short_loss
    row.losses.largest = source.largest
    row.losses.reference_atoms = 0.0
    if desk.instruments[index].denominator != 0:
        row.losses.reference_atoms = atoms_of(
            desk.instruments + index, source.values.reference_lots, source.values.reference_half_ticks)

cdef inline bint fits_scenarios(Desk *desk) noexcept nogil:
    """Begins the CVaR book anew with the pending batch; True when its figures are of its scenarios. The published CVaR
    must be what the core finds itself, to a millionth of the largest loss there can be."""
    cdef int64_t index
    cdef double base, near
    for index in range(desk.instrument_count):
        describe(desk, index, desk.pending + index)
        place_box(desk, index)
    desk.cvar.losses = desk.scenarios[1 - desk.batch.active]
    if not begin(&desk.cvar):
        return False
    base = desk.batch.values[RISK_VALUES + RISK_VALUE_CVAR]
    near = 1_000.0
    for index in range(desk.instrument_count):
        near += 1e-6 * fabs(desk.cvar.rows[index].losses.reference_atoms) * desk.pending[index].largest
    return (<double> desk.cvar.state.base_lower_atoms <= base + near
            and <double> desk.cvar.state.base_upper_atoms >= base - near)

cdef inline void put_back(Desk *desk) noexcept nogil:
    """The losses that count, after a batch was refused at its end."""
    cdef int64_t index
    cdef PendingRow row
    desk.cvar.losses = desk.scenarios[desk.batch.active]
    for index in range(desk.instrument_count):
        memset(&row, 0, sizeof(PendingRow))
        row.values = desk.results[index]
        row.largest = desk.largest[index]
        describe(desk, index, &row)
    if desk.view.results_version > 0:
        begin(&desk.cvar)

cdef inline void show(Desk *desk) noexcept nogil:
    cdef RiskView *view = desk.view
    cdef Batch *batch = desk.batch
    view.results_version = batch.version
    view.results_time_ns = batch.time_ns
    view.results_method = batch.method
    view.regime = <int64_t> batch.values[RISK_VALUE_REGIME]
    view.var_atoms = <int64_t> batch.values[RISK_VALUE_VAR]
    view.cvar_atoms = <int64_t> batch.values[RISK_VALUE_CVAR]
    view.correlation_mean_e6 = <int64_t> (batch.values[RISK_VALUE_CORRELATION_MEAN] * ONE_E6)
    view.correlation_largest_e6 = <int64_t> (batch.values[RISK_VALUE_CORRELATION_LARGEST] * ONE_E6)
    view.volatility_ratio_e6 = <int64_t> (batch.values[RISK_VALUE_VOLATILITY_RATIO] * ONE_E6)
    view.quality_e6 = <int64_t> (batch.values[RISK_VALUE_QUALITY] * ONE_E6)
    view.scale_e6 = scale_of_results(desk)

cdef inline void weigh_rest(Desk *desk) noexcept nogil:
    """`rest_atoms` of every instrument, for sizing: the value of it that all else that is held now amounts to, in the
    scenarios that count. The scratch of the CVaR book holds the losses of everything."""
    cdef double *book = desk.cvar.candidates
    cdef int64_t index, count = desk.cvar.scenarios
    cdef double held, rest
    memset(book, 0, count * sizeof(double))
    for index in range(desk.instrument_count):
        held = held_atoms(desk, index)
        if held != 0.0:
            move(book, desk.cvar.losses + index * count, held, held, count)
    for index in range(desk.instrument_count):
        rest = slope(desk.cvar.losses + index * count, book, held_atoms(desk, index), count)
        desk.results[index].rest_atoms = rest if fabs(rest) < 1e18 else 0.0

cdef inline void switch_results(Desk *desk) noexcept nogil:
    """The pending batch is the one that counts from here on."""
    cdef Batch *batch = desk.batch
    cdef int64_t index
    batch.active = 1 - batch.active
    memcpy(batch.values, batch.values + RISK_VALUES, RISK_VALUES * sizeof(double))
    for index in range(desk.instrument_count):
        desk.results[index] = desk.pending[index].values
        desk.results[index].version = batch.version
        desk.results[index].time_ns = batch.time_ns
        desk.largest[index] = desk.pending[index].largest
    weigh_rest(desk)
    show(desk)
    scale_limits(desk)
    desk.state.stale_told = 0

cdef inline int64_t close_batch(Desk *desk, const Message *message) noexcept nogil:
    """The fault for which the batch is refused, or 0: it counts from now on. One pass over what is held."""
    cdef Batch *batch = desk.batch
    batch.is_open = 0
    check_batch(desk, message)
    if batch.wrong == 0 and not fits_scenarios(desk):
        fail(batch, RESULT_CONTRADICTS)
        put_back(desk)
    if batch.wrong == 0:
        switch_results(desk)
    return batch.wrong

cdef inline int64_t take_result(Desk *desk, const Message *message) noexcept nogil:
    """One message of a batch. Returns the fault of a batch that has just been refused, else 0."""
    cdef Batch *batch = desk.batch
    cdef int64_t fault = 0
    if message.kind == KIND_RISK_BATCH and not message.flags & FLAG_LAST:
        fault = RESULT_UNFINISHED if batch.is_open else 0
        open_batch(desk, message)
    elif not batch.is_open:
        return RESULT_UNFINISHED if message.kind == KIND_RISK_BATCH else 0
    batch.received += records_of(message)
    if message.kind == KIND_RISK_VALUE:
        take_value(desk, message)
    elif message.kind == KIND_RISK_ROW:
        take_row(desk, message)
    elif message.kind == KIND_RISK_BATCH:
        return close_batch(desk, message) if message.flags & FLAG_LAST else fault
    elif message.flags & FLAG_MORE:
        take_scenarios(desk, message)
    else:
        fail(batch, RESULT_WRONG_COUNT)
    return fault

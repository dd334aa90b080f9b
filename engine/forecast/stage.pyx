"""The forecast stage: once per batch, the active model on the instrument's feature row.

    market batch  -> feature row ready, its turn -> evaluator of the active slot -> forecast row
    FORECAST      -> values of a slot without evaluator, gathered until LAST     -> forecast row, with its features' age
    MODEL         -> a slot already loaded and prepared; active from the next batch
    TIME          -> core time; a forecast older than the limit is no longer ready
"""

from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset
from engine.stage cimport FEATURES, HORIZONS, FeatureView, ForecastView, Outbox, Stage, View, emit, view_of
from ipc.message cimport (
    FLAG_LAST, KIND_BOOK_STATE, KIND_FORECAST, KIND_FUNDING, KIND_LEVEL, KIND_MODEL, KIND_QUOTE, KIND_REFUSAL,
    KIND_TICK_CHANGE, KIND_TIME, KIND_TRADE, KIND_TRADING_STATUS, Message, REFUSAL_FORECAST_MISSING,
)
from kernels.linear.cpu cimport Linear, LinearModel, linear_evaluate
from kernels.mlp.cpu cimport Mlp, MlpModel, mlp_evaluate
from kernels.trees.cpu cimport TreeModel, Trees, trees_evaluate

from engine.forecast.config import ForecastSettings
from models.registry.prepared import PreparedModel

cdef enum:
    MAXIMUM_SLOTS = 8
    EXTERNAL = 0
    LINEAR = 1
    TREES = 2
    MLP = 3

SLOTS = MAXIMUM_SLOTS

cdef enum:
    MARKET_KINDS = (
        (1 << KIND_LEVEL) | (1 << KIND_TRADE) | (1 << KIND_QUOTE) | (1 << KIND_BOOK_STATE) | (1 << KIND_TICK_CHANGE)
        | (1 << KIND_TRADING_STATUS) | (1 << KIND_FUNDING)
    )
    TAKEN_KINDS = MARKET_KINDS | (1 << KIND_TIME) | (1 << KIND_MODEL) | (1 << KIND_FORECAST)

cdef struct Slot:                # constant after construction, so no part of a snapshot: the hash stands for it
    int64_t evaluator
    int64_t hash                 # first 63 bits of the content hash
    int64_t inputs
    int64_t outputs
    int64_t column[FEATURES]     # input i is feature column[i]
    LinearModel linear
    TreeModel trees
    MlpModel mlp

cdef struct Pending:             # results of one instrument on their way, until LAST
    int64_t slot
    int64_t present              # bit h: horizon h has come
    double values[HORIZONS]

cdef struct Turn:
    int64_t wait                 # batches until the next forecast
    Pending pending

cdef struct ForecastState:
    int64_t core_time_ns
    int64_t active               # slot, -1 for none
    int64_t next_active          # slot from the next batch on
    int64_t computed
    int64_t expired
    int64_t results_taken
    int64_t results_ignored
    int64_t models_changed
    int64_t models_refused


cdef class ForecastStage(Stage):
    cdef int64_t instruments, every_batches, maximum_age_ns, slot_count
    cdef View features
    cdef Slot slots[MAXIMUM_SLOTS]
    cdef ForecastState *state
    cdef ForecastView *forecasts
    cdef Turn *turns
    cdef object _models

    def __init__(self, int64_t instruments, features, models=None, settings=None, feature_names=None):
        settings = settings or ForecastSettings()
        models = () if models is None else (models,) if isinstance(models, PreparedModel) else tuple(models)
        if len(models) > MAXIMUM_SLOTS:
            raise ValueError(f"{len(models)} models: there are {MAXIMUM_SLOTS} slots")
        self.features = view_of(features)[0]
        if self.features.stride != sizeof(FeatureView) or self.features.count < instruments:
            raise ValueError("features must be the view of a feature stage with a row for each instrument")
        self.instruments = instruments
        self.every_batches = settings.every_batches
        self.maximum_age_ns = settings.maximum_age_ms * 1_000_000
        self.state = <ForecastState *> self.block("state", sizeof(ForecastState))
        self.forecasts = <ForecastView *> self.block("forecasts", instruments * sizeof(ForecastView))
        self.turns = <Turn *> self.block("turns", instruments * sizeof(Turn))
        self._models = []
        self.slot_count = len(models)
        for slot, model in enumerate(models):
            self._load(slot, model, feature_names)
        active = [slot for slot, model in enumerate(models) if model.role == "active"]
        self.state.active = self.state.next_active = active[0] if active else -1
        cdef int64_t row
        for row in range(instruments):
            self.forecasts[row].model = -1
            self.turns[row].pending.slot = -1
        self.add_view("view", self.forecasts, sizeof(ForecastView), instruments)
        self.add_step("step", forecast_step, TAKEN_KINDS, True)

    def _load(self, int64_t slot, model, feature_names):
        """Puts a prepared model in its slot: only here, before the core starts."""
        cdef Slot *target = &self.slots[slot]
        memset(target, 0, sizeof(Slot))
        target.hash = model.number
        target.inputs = len(model.features)
        target.outputs = len(model.horizons_ms)
        columns = range(target.inputs) if feature_names is None else model.columns(tuple(feature_names))
        for i, column in enumerate(columns):
            target.column[i] = column
        target.evaluator = EXTERNAL
        evaluator = None
        if model.compiled:
            evaluator = model.evaluator()
            if isinstance(evaluator, Linear):
                target.evaluator = LINEAR
                target.linear = (<Linear> evaluator).model
            elif isinstance(evaluator, Trees):
                target.evaluator = TREES
                target.trees = (<Trees> evaluator).model
            elif isinstance(evaluator, Mlp):
                target.evaluator = MLP
                target.mlp = (<Mlp> evaluator).model
        self._models.append((model, evaluator))

    # -- QUERIES --

    def counters(self):
        return {
            "computed": self.state.computed,
            "expired": self.state.expired,
            "results_taken": self.state.results_taken,
            "results_ignored": self.state.results_ignored,
            "models_changed": self.state.models_changed,
            "models_refused": self.state.models_refused,
            "active": self.state.active,
        }


cdef int forecast_step(void *stage, const Message *message, Outbox *outbox) noexcept nogil:
    take(<ForecastStage> stage, message, outbox)
    return 0


cdef void take(ForecastStage self, const Message *message, Outbox *outbox) noexcept nogil:
    if message.kind == KIND_MODEL:
        change_model(self, message, outbox)
    elif message.kind == KIND_FORECAST:
        take_result(self, message)
    else:
        if message.receive_time_ns > self.state.core_time_ns:
            self.state.core_time_ns = message.receive_time_ns
        if message.kind != KIND_TIME and message.instrument < self.instruments:
            end_batch(self, message.instrument)
        expire(self)


cdef inline const FeatureView *feature_row(ForecastStage self, int64_t instrument) noexcept nogil:
    return <const FeatureView *> (<char *> self.features.rows + instrument * self.features.stride)


cdef void end_batch(ForecastStage self, int64_t instrument) noexcept nogil:
    """The instrument's book changed: its forecast ends with its features, or is made anew when its turn has come."""
    cdef ForecastState *state = self.state
    cdef ForecastView *forecast = &self.forecasts[instrument]
    cdef Turn *turn = &self.turns[instrument]
    cdef const FeatureView *features = feature_row(self, instrument)
    if state.next_active != state.active:
        state.active = state.next_active
        forget_all(self)
    if not features.ready:
        forecast.ready = 0
        turn.wait = 0
        return
    if state.active < 0 or self.slots[state.active].evaluator == EXTERNAL:
        return
    if turn.wait > 0:
        turn.wait -= 1
        return
    turn.wait = self.every_batches - 1
    evaluate(&self.slots[state.active], features, forecast)
    forecast.model = state.active
    state.computed += 1


cdef void evaluate(const Slot *slot, const FeatureView *features, ForecastView *forecast) noexcept nogil:
    """One row through the slot's model. A forecast that is not a finite number is not ready."""
    cdef double[FEATURES] row
    cdef double[HORIZONS] values
    cdef int64_t i
    cdef bint finite = True
    memset(row, 0, sizeof(row))
    for i in range(slot.inputs):
        row[i] = features.values[slot.column[i]]
    if slot.evaluator == LINEAR:
        linear_evaluate(&slot.linear, row, values)
    elif slot.evaluator == TREES:
        trees_evaluate(&slot.trees, row, values)
    else:
        mlp_evaluate(&slot.mlp, row, values)
    for i in range(HORIZONS):
        forecast.values[i] = values[i] if i < slot.outputs else 0.0
        finite = finite and forecast.values[i] - forecast.values[i] == 0.0
    forecast.event_time_ns = features.event_time_ns
    forecast.receive_time_ns = features.receive_time_ns
    forecast.ready = finite


cdef void take_result(ForecastStage self, const Message *message) noexcept nogil:
    """One value from the inference process; all of a batch become visible at LAST."""
    cdef ForecastState *state = self.state
    cdef int64_t slot = message.quantity_lots, horizon = message.order_id
    cdef Pending *pending
    cdef ForecastView *forecast
    if (
        message.instrument >= self.instruments or slot < 0 or slot != state.active
        or self.slots[slot].evaluator != EXTERNAL or horizon < 0 or horizon >= self.slots[slot].outputs
    ):
        state.results_ignored += 1
        return
    pending = &self.turns[message.instrument].pending
    if pending.slot != slot:
        pending.slot = slot
        pending.present = 0
    memcpy(&pending.values[horizon], &message.extra, sizeof(double))
    pending.present |= 1 << horizon
    if not message.flags & FLAG_LAST:
        return
    forecast = &self.forecasts[message.instrument]
    if pending.present != (1 << self.slots[slot].outputs) - 1 or message.receive_time_ns < forecast.receive_time_ns:
        state.results_ignored += 1
    else:
        land(self, message, pending, forecast)
    pending.present = 0


cdef void land(
    ForecastStage self, const Message *message, const Pending *pending, ForecastView *forecast
) noexcept nogil:
    """A whole result: its times are those of the feature row that it was computed from, so its age is honest."""
    cdef int64_t i
    cdef bint finite = True
    for i in range(HORIZONS):
        forecast.values[i] = pending.values[i] if (pending.present >> i) & 1 else 0.0
        finite = finite and forecast.values[i] - forecast.values[i] == 0.0
    forecast.event_time_ns = message.event_time_ns
    forecast.receive_time_ns = message.receive_time_ns
    forecast.model = pending.slot
    forecast.ready = finite and feature_row(self, message.instrument).ready and not too_old(self, forecast)
    self.state.results_taken += 1


cdef void change_model(ForecastStage self, const Message *message, Outbox *outbox) noexcept nogil:
    """Switches to a slot if it holds the model that the message names; else refuses and stays."""
    cdef int64_t slot = message.order_id
    cdef bint known = 0 <= slot < self.slot_count
    cdef Message *refusal
    if known and self.slots[slot].hash == message.extra:
        self.state.next_active = slot
        self.state.models_changed += 1
        return
    self.state.models_refused += 1
    refusal = emit(outbox, 1)
    if refusal == NULL:
        return
    refusal[0] = message[0]
    refusal.kind = KIND_REFUSAL
    refusal.flags = FLAG_LAST
    refusal.quantity_lots = message.extra
    refusal.price_ticks = self.slots[slot].hash if known else 0
    refusal.extra = REFUSAL_FORECAST_MISSING


cdef void forget_all(ForecastStage self) noexcept nogil:
    """No forecast outlives its model."""
    cdef int64_t row
    for row in range(self.instruments):
        self.forecasts[row].ready = 0
        self.turns[row].wait = 0
        self.turns[row].pending.present = 0


cdef inline bint too_old(ForecastStage self, const ForecastView *forecast) noexcept nogil:
    return self.state.core_time_ns - forecast.receive_time_ns > self.maximum_age_ns


cdef void expire(ForecastStage self) noexcept nogil:
    cdef int64_t row
    for row in range(self.instruments):
        if self.forecasts[row].ready and too_old(self, &self.forecasts[row]):
            self.forecasts[row].ready = 0
            self.state.expired += 1

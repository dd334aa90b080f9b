"""What every stage shares: memory that can be photographed, and steps and views offered as named capsules."""

from cpython.buffer cimport PyBuffer_FillInfo
from cpython.pycapsule cimport (
    PyCapsule_GetContext, PyCapsule_GetPointer, PyCapsule_New, PyCapsule_SetContext, PyCapsule_SetDestructor,
)
from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject
from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy, memset
from ipc.message cimport Message, FLAG_MORE
from posix.mman cimport mmap, munmap, MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE, MAP_FAILED

import numpy as np

from ipc.messages import MESSAGE

# The views as numpy sees them; engine/stage.pxd is their source and tests/engine/test_stage.py compares the two.
BOOK_DEPTH_LEVELS = BOOK_DEPTH

BOOK_VIEW = np.dtype(
    [(name, "<i8") for name in (
        "state", "reason", "update_id", "event_time_ns", "receive_time_ns", "bid_count", "ask_count", "gaps", "crossed",
        "batches", "trades", "trade_price_ticks", "trade_quantity_lots", "trade_side", "trade_time_ns",
        "mark_price_ticks",
    )]
    + [(name, "<i8", BOOK_DEPTH) for name in (
        "bid_price_ticks", "bid_quantity_lots", "ask_price_ticks", "ask_quantity_lots",
    )]
)
FEATURE_VIEW = np.dtype(
    [(name, "<i8") for name in ("event_time_ns", "receive_time_ns", "rows", "ready")] + [("values", "<f8", FEATURES)]
)
FORECAST_VIEW = np.dtype(
    [(name, "<i8") for name in ("event_time_ns", "receive_time_ns", "model", "ready")] + [("values", "<f8", HORIZONS)]
)
WORKING_ORDER = np.dtype([(name, "<i8") for name in (
    "order_id", "side", "state", "price_ticks", "remaining_lots", "filled_lots", "tag", "sent_time_ns",
)])
ACCOUNT_VIEW = np.dtype(
    [(name, "<i8") for name in (
        "instrument", "position_lots", "cost_tick_lots", "realised_tick_lots", "fees_atoms", "open_buy_lots",
        "open_sell_lots", "open_orders", "sent", "fills", "bought_lots", "sold_lots", "refusals", "last_refusal",
        "last_fill_price_ticks", "last_fill_time_ns",
    )]
    + [("working", WORKING_ORDER, WORKING_ORDERS)]
)
OWNER_VIEW = np.dtype([(name, "<i8") for name in ("order_id", "strategy")])
REPORT_VIEW = np.dtype([(name, "<i8") for name in (
    "order_id", "strategy", "applied", "event", "code", "state", "side", "price_ticks", "quantity_lots",
    "remaining_lots",
    "fee_atoms", "tag",
)])
RISK_VIEW = np.dtype(
    [(name, "<i8") for name in (
        "halted", "halt_reason", "orders_passed", "orders_refused", "daily_pnl_atoms", "gross_notional_atoms",
    )]
    + [("limit", "<i8", RISK_LIMITS), ("headroom", "<i8", RISK_LIMITS), ("refused", "<i8", REFUSAL_CODES)]
    + [(name, "<i8") for name in (
        "equity_atoms", "peak_equity_atoms", "scale_e6", "worst_cvar_atoms", "results_version", "results_time_ns",
        "results_age_ns", "results_stale", "results_refused", "results_method", "regime", "var_atoms", "cvar_atoms",
        "correlation_mean_e6", "correlation_largest_e6", "volatility_ratio_e6", "quality_e6",
    )]
)
RESULT_VIEW = np.dtype(
    [(name, "<i8") for name in ("version", "time_ns", "reference_lots", "reference_half_ticks")]
    + [(name, "<f8") for name in ("volatility", "marginal", "long_loss", "short_loss", "correlation", "rest_atoms")]
)
SIZING_VIEW = np.dtype(
    [(name, "<i8") for name in (
        "sized", "refused", "time_ns", "instrument", "side", "asked_lots", "lots", "code", "by_kelly", "target_lots",
        "held_lots",
    )]
    + [("raw", "<f8"), ("term", "<f8", SIZING_TERMS)]
)
assert BOOK_VIEW.itemsize == sizeof(BookView)
assert FEATURE_VIEW.itemsize == sizeof(FeatureView)
assert FORECAST_VIEW.itemsize == sizeof(ForecastView)
assert ACCOUNT_VIEW.itemsize == sizeof(AccountView)
assert OWNER_VIEW.itemsize == sizeof(OwnerView)
assert REPORT_VIEW.itemsize == sizeof(ReportView)
assert RISK_VIEW.itemsize == sizeof(RiskView)
assert RESULT_VIEW.itemsize == sizeof(ResultView)
assert SIZING_VIEW.itemsize == sizeof(SizingView)

cdef extern from "<sys/mman.h>":
    int madvise(void *address, size_t length, int advice) nogil
    int MADV_HUGEPAGE

cdef enum:
    HUGE_PAGE = 1 << 21
    LINE = 64                # bytes that the processor moves at once
    SMALL_BLOCK = 1 << 16    # no larger: it shares its mapping with others

cdef bytes STEP_NAME = b"bot4.step"
cdef bytes VIEW_NAME = b"bot4.view"


cdef void release_stage(object capsule) noexcept:
    Py_DECREF(<object> <PyObject *> PyCapsule_GetContext(capsule))


cdef object capsule_of(Stage stage, void *pointer, const char *name):
    """A named capsule that holds a reference to the stage whose memory it points into."""
    capsule = PyCapsule_New(pointer, name, NULL)
    PyCapsule_SetContext(capsule, <void *> <PyObject *> stage)
    Py_INCREF(stage)
    PyCapsule_SetDestructor(capsule, release_stage)
    return capsule


cdef class _Mapping:
    """Zeroed, touched memory, on huge pages where the system has them, for as long as a stage has a block in it."""
    cdef char *reserved
    cdef char *address
    cdef int64_t size
    cdef int64_t taken       # bytes given to blocks so far

    def __cinit__(self, int64_t size):
        self.size = (size + HUGE_PAGE - 1) & ~(<int64_t> HUGE_PAGE - 1)
        cdef void *start = mmap(NULL, self.size + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        if start == MAP_FAILED:
            raise MemoryError(f"{size} bytes")
        self.reserved = <char *> start
        self.address = <char *> ((<uint64_t> start + HUGE_PAGE - 1) & ~(<uint64_t> HUGE_PAGE - 1))
        madvise(self.address, self.size, MADV_HUGEPAGE)  # refused or not: the memory is the same
        memset(self.address, 0, self.size)               # touched now, so that no page fault comes later

    cdef char *take(self, int64_t size) noexcept:
        """So many bytes from the start of a line, or NULL when there is no room."""
        cdef char *found = self.address + self.taken
        if self.taken + size > self.size:
            return NULL
        self.taken += (size + LINE - 1) & ~(<int64_t> LINE - 1)
        return found

    def __dealloc__(self):
        if self.reserved != NULL:
            munmap(self.reserved, self.size + HUGE_PAGE)

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.address, self.size, 1, flags)  # read-only


cdef _Mapping _shared = None  # of the small blocks of all stages: side by side, so that they share pages and cache sets


cdef _Mapping mapping_for(int64_t size):
    """Where a block of so many bytes is to lie: a mapping with room for it."""
    global _shared
    if size > SMALL_BLOCK:
        return _Mapping(size)
    if _shared is None or _shared.taken + size > _shared.size:
        _shared = _Mapping(HUGE_PAGE)
    return _shared


cdef class _StepOwner:
    cdef Step value


cdef class _ViewOwner:
    cdef View value


cdef class Stage:
    """Base of every stage: a subclass takes its memory from `block`, then names its steps and views."""

    def __cinit__(self, *args, **kwargs):
        self._blocks = []
        self._owners = []
        self._steps = {}
        self._views = {}

    # -- for subclasses --

    cdef void *block(self, str name, int64_t size) except NULL:
        cdef _Mapping mapping = mapping_for(size)
        cdef char *address = mapping.take(size if size > 0 else 1)
        self._owners.append(mapping)
        self._blocks.append((name, <uint64_t> address, size))
        return address

    cdef int add_step(self, str name, step_t step, uint64_t kinds, bint once_per_batch) except -1:
        cdef _StepOwner owner = _StepOwner()
        owner.value.step = step
        owner.value.stage = <void *> self
        owner.value.kinds = kinds
        owner.value.once_per_batch = once_per_batch
        self._steps[name] = owner
        return 0

    cdef int add_view(self, str name, void *rows, int64_t stride, int64_t count) except -1:
        cdef _ViewOwner owner = _ViewOwner()
        owner.value.rows = rows
        owner.value.stride = stride
        owner.value.count = count
        self._views[name] = owner
        return 0

    # -- QUERIES --

    def step(self, str name="step"):
        """Capsule of a Step. It keeps this stage alive."""
        return capsule_of(self, &(<_StepOwner> self._steps[name]).value, STEP_NAME)

    def view(self, str name="view"):
        """Capsule of a View. It keeps this stage alive."""
        return capsule_of(self, &(<_ViewOwner> self._views[name]).value, VIEW_NAME)

    def rows(self, dtype, str name="view"):
        """The rows of a view as a read-only numpy array of `dtype`, shape (count,). Live memory, not a copy."""
        cdef View view = (<_ViewOwner> self._views[name]).value
        if np.dtype(dtype).itemsize != view.stride:
            raise ValueError(f"view {name!r} has rows of {view.stride} bytes, {dtype} has {np.dtype(dtype).itemsize}")
        cdef _Mapping mapping
        cdef int64_t offset
        for mapping in self._owners:  # the array keeps the mapping alive, whatever becomes of the stage
            offset = <char *> view.rows - mapping.address
            if 0 <= offset < mapping.size:
                return np.frombuffer(mapping, dtype, view.count, offset)
        raise ValueError(f"view {name!r} does not lie in a block of its stage")

    def snapshot(self):
        """Every block's bytes, in order: {name: bytes}."""
        return {name: (<char *> <uint64_t> address)[:size] for name, address, size in self._blocks}

    # -- COMMANDS --

    def restore(self, dict blocks):
        """Puts a snapshot back. Raises ValueError when the blocks are not this stage's."""
        if [(name, size) for name, _, size in self._blocks] != [(name, len(data)) for name, data in blocks.items()]:
            raise ValueError(f"snapshot does not fit {type(self).__name__}: other blocks or sizes")
        cdef const char *source
        for name, address, size in self._blocks:
            data = blocks[name]
            source = data
            memcpy(<void *> <uint64_t> address, source, size)

    def drive(self, records, str name="step", int64_t capacity=4096):
        """Runs records (MESSAGE, shape (n,)) through one step and returns what it said, for tests and tools.

        A message of several records is passed once. Raises RuntimeError on a fault code or a full outbox.
        """
        cdef Step entry = (<_StepOwner> self._steps[name]).value
        records = np.ascontiguousarray(records, dtype=MESSAGE)
        outputs = np.zeros(capacity, dtype=MESSAGE)
        if len(records) == 0:
            return outputs[:0]
        cdef char[::1] raw = records.view(np.int8)
        cdef char[::1] out = outputs.view(np.int8)
        cdef Message *message = <Message *> &raw[0]
        cdef int64_t i = 0, n = len(records)
        cdef int fault = 0
        cdef Outbox outbox
        outbox.messages = <Message *> &out[0]
        outbox.capacity = capacity
        outbox.count = 0
        outbox.refused = 0
        with nogil:
            while i < n:
                if takes(&entry, message + i):
                    fault = entry.step(entry.stage, message + i, &outbox)
                    if fault != 0:
                        break
                while message[i].flags & FLAG_MORE and i + 1 < n:
                    i += 1
                i += 1
        if fault != 0:
            raise RuntimeError(f"{type(self).__name__}.{name}: fault {fault} at record {i}")
        if outbox.refused:
            raise RuntimeError(f"{type(self).__name__}.{name}: outbox full")
        return outputs[: outbox.count].copy()


cdef Step *step_of(object capsule) except NULL:
    return <Step *> PyCapsule_GetPointer(capsule, STEP_NAME)


cdef View *view_of(object capsule) except NULL:
    return <View *> PyCapsule_GetPointer(capsule, VIEW_NAME)

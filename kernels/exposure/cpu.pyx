"""The book of book.pxd for Python: tests, benchmarks, tools. The core embeds the same functions in its own memory."""

from libc.stdint cimport int64_t
from kernels.exposure.book cimport (
    CvarRow, begin, bounds_with, draw, judge_adding, judge_reducing, place, worst_cvar,
)

import numpy as np

from kernels.exposure.reference import cvar, marginal_cvar, tail_count

VERDICTS = (
    "ACCEPTED_BY_BOUND", "ACCEPTED_EXACTLY", "ACCEPTED_AS_REDUCING", "REFUSED_BY_BOUND", "REFUSED_EXACTLY", "UNDECIDED",
    "REFUSED_UNBOUNDED",
)


cdef class ExposureBook:
    def __init__(self, losses, reference_atoms, double level):
        losses = np.ascontiguousarray(losses, dtype=np.float64)
        held = np.ascontiguousarray(reference_atoms, dtype=np.float64)
        if losses.ndim != 2 or losses.shape[1] % 8 or losses.shape[1] == 0 or held.shape != losses.shape[:1]:
            raise ValueError(
                f"losses must be (instruments, scenarios) with scenarios a multiple of 8 and a value held for each"
                f" instrument; they are {losses.shape} and {held.shape}")
        cdef double tail = tail_count(losses.shape[1], level)
        if not 1.0 <= tail <= losses.shape[1]:
            raise ValueError(f"level {level} leaves {tail:g} of {losses.shape[1]} scenarios in the tail: at least 1")
        rows = np.zeros(len(losses) * sizeof(CvarRow), dtype=np.uint8)
        worst, candidates = np.zeros(losses.shape[1]), np.zeros(losses.shape[1])
        cdef double[:, ::1] loss_view = losses
        cdef unsigned char[::1] row_view = rows
        cdef double[::1] worst_view = worst, candidate_view = candidates
        self._owners = (losses, rows, worst, candidates)
        self.level = level
        self.book.state = &self.state
        self.book.rows = <CvarRow *> &row_view[0]
        self.book.losses = &loss_view[0, 0]
        self.book.worst = &worst_view[0]
        self.book.candidates = &candidate_view[0]
        self.book.instruments, self.book.scenarios = losses.shape[0], losses.shape[1]
        self.book.tail = tail
        self._describe(losses, held)
        for i in range(self.book.instruments):
            self.book.rows[i].low_atoms = self.book.rows[i].high_atoms = held[i]
        if not np.isfinite(losses).all() or not begin(&self.book):
            raise ValueError("losses and values must be numbers, and their CVaR below 2**60 / instruments atoms")

    cdef int _describe(self, losses, held) except -1:
        marginal = marginal_cvar(losses, held, self.level)
        for i in range(self.book.instruments):
            self.book.rows[i].losses.marginal = marginal[i]
            self.book.rows[i].losses.long_loss = cvar(losses[i], self.level)
            self.book.rows[i].losses.short_loss = cvar(-losses[i], self.level)
            self.book.rows[i].losses.largest = np.abs(losses[i]).max()
            self.book.rows[i].losses.reference_atoms = held[i]
        return 0

    # -- QUERIES --

    def box(self, int64_t index):
        return self.book.rows[self._known(index)].low_atoms, self.book.rows[index].high_atoms

    def bounds(self):
        cdef double lower, upper
        bounds_with(&self.book, 0, self.book.rows[0].low_atoms, self.book.rows[0].high_atoms, &lower, &upper)
        return lower, upper

    def worst(self):
        draw(&self.book)
        return worst_cvar(&self.book, 0, 0.0, 0.0)

    # -- COMMANDS --

    def place(self, int64_t index, double low_atoms, double high_atoms):
        place(&self.book, self._known(index), low_atoms, high_atoms)

    def judge(self, int64_t index, double added_atoms, double limit_atoms, bint exactly=True, bint reduces=False):
        cdef double value = 0.0
        if reduces:
            verdict = judge_reducing(&self.book, self._known(index), added_atoms, limit_atoms, &value)
        else:
            verdict = judge_adding(&self.book, self._known(index), added_atoms, limit_atoms, exactly, &value)
        return VERDICTS[verdict], value

    cdef int64_t _known(self, int64_t index) except -1:
        if not 0 <= index < self.book.instruments:
            raise IndexError(f"instrument {index} of {self.book.instruments}")
        return index

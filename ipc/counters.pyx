"""Named counters and histograms in a shared-memory segment: one process writes, any process reads, nobody locks.

    byte  0       4096                            after the directory
         +-------+-------------------------------+--------------------------------------------+
         |header | directory: 64 B an entry      | values: a counter is an i64 on a cache line |
         | page  | name 48 B, kind i64, offset   | of its own, a histogram is 64 B + 8 KiB     |
         +-------+-------------------------------+--------------------------------------------+

The names lie in the segment, so a reader needs nothing but the path. A histogram is log-linear: buckets of width one
below 64 ns, then 32 for each power of two up to 2^36 ns, so a percentile is at most 1/32 above the exact one; minimum,
maximum and sum are exact. A reader sees each 64-bit word whole, and words of one moment only nearly: a value may be in
a bucket and not yet in the sum.
"""

from libc.stdint cimport int64_t
from ipc.atomics cimport load_relaxed

import numpy as np

from ipc.segment import HEADER_BYTES, WRITER_BYTE, Header, Segment

KIND = "counters"
COUNTER = 1
HISTOGRAM = 2
HISTOGRAM_BUCKETS = BUCKETS
RELATIVE_ERROR = 1.0 / (1 << SUB_BITS)
CACHE_LINE = 64
DIRECTORY_ENTRY = np.dtype([("name", "S48"), ("kind", "<i8"), ("offset", "<i8")])
assert DIRECTORY_ENTRY.itemsize == 64
assert sizeof(Histogram) == 64 + 8 * BUCKETS
assert bucket_of((1LL << LARGEST_BITS) - 1) == BUCKETS - 1


def bucket_ceilings():
    """Largest value of each bucket in ns, shape (BUCKETS,), int64."""
    index = np.arange(BUCKETS, dtype=np.int64)
    shift = np.maximum((index >> SUB_BITS) - 1, 0)
    return ((index - (shift << SUB_BITS) + 1) << shift) - 1


class HistogramView:
    """A copy of a histogram. `count`, `total`, `minimum`, `maximum` (ns, 0 when empty), `buckets` (BUCKETS,)."""

    def __init__(self, words):
        self.buckets = words[8:]
        self.count = int(self.buckets.sum())
        self.total = int(words[0])
        self.minimum = int(words[1]) if self.count else 0
        self.maximum = int(words[2]) if self.count else 0

    def percentile(self, double percent):
        """The smallest value that `percent` of all stay within, ns; at most 1/32 above the exact one, 0 when empty."""
        if not 0 <= percent <= 100:
            raise ValueError(f"percent is {percent}: must be within 0 and 100")
        if self.count == 0:
            return 0
        rank = max(1, int(np.ceil(percent * self.count / 100.0 - 1e-9)))
        if rank >= self.count:
            return self.maximum
        bucket = int(np.searchsorted(np.cumsum(self.buckets), rank))
        return int(min(bucket_ceilings()[bucket], self.maximum))

    def mean(self):
        """Arithmetic mean in ns, 0 when empty."""
        return self.total / self.count if self.count else 0.0


cdef class Counters:
    """The segment, as its writer (`create`, `reopen`) or as a reader (`attach`)."""

    def __init__(self, segment, lock=None):
        cdef const unsigned char[::1] raw = segment.memory
        self.segment = segment
        self._lock = lock
        self._memory = <char *> &raw[0]
        directory = np.frombuffer(
            segment.memory, dtype=DIRECTORY_ENTRY, count=segment.header.capacity, offset=HEADER_BYTES
        )
        self._directory = {entry["name"].decode(): (int(entry["kind"]), int(entry["offset"])) for entry in directory}

    @classmethod
    def create(cls, path, *, int64_t epoch, counters=(), histograms=()):
        """Makes the segment with all its names, zeroed, and is its writer. Raises SegmentError or ValueError."""
        names = [*counters, *histograms]
        for name in names:
            if not 0 < len(name.encode()) < 48 or names.count(name) > 1:
                raise ValueError(f"name {name!r} must be given once and have 1 to 47 bytes")
        directory = np.zeros(len(names), dtype=DIRECTORY_ENTRY)
        offset = HEADER_BYTES + directory.nbytes
        for row, name in enumerate(names):
            is_counter = row < len(counters)
            directory[row] = (name.encode(), COUNTER if is_counter else HISTOGRAM, offset)
            offset += CACHE_LINE if is_counter else sizeof(Histogram)
        values = np.zeros((offset - HEADER_BYTES - directory.nbytes) // 8, dtype=np.int64)
        for entry in directory[len(counters):]:
            at = (int(entry["offset"]) - HEADER_BYTES - directory.nbytes) // 8
            values[at + 1] = np.iinfo(np.int64).max
            values[at + 2] = np.iinfo(np.int64).min
        header = Header(KIND, epoch, offset, CACHE_LINE, len(names))
        segment = Segment.create(path, header, directory.tobytes() + values.tobytes())
        return cls(segment, segment.lock(WRITER_BYTE, "writer"))

    @classmethod
    def reopen(cls, path):
        """Becomes the writer of an existing segment, whose values go on. Raises SegmentError when another is."""
        segment = Segment.attach(path, KIND)
        return cls(segment, segment.lock(WRITER_BYTE, "writer"))

    @classmethod
    def attach(cls, path):
        """Opens a segment for reading only. Raises SegmentError."""
        return cls(Segment.attach(path, KIND, writable=False))

    # -- for the writer's Cython --

    cdef int64_t *counter(self, str name) except NULL:
        return <int64_t *> (self._memory + <int64_t> self._offset(name, COUNTER))

    cdef Histogram *histogram(self, str name) except NULL:
        return <Histogram *> (self._memory + <int64_t> self._offset(name, HISTOGRAM))

    def _offset(self, name, kind):
        found = self._directory.get(name)
        if found is None or found[0] != kind:
            raise KeyError(f"{self.segment.path} has no {'counter' if kind == COUNTER else 'histogram'} {name!r}")
        return found[1]

    # -- QUERIES --

    @property
    def counters(self):
        """Names of the counters, as created."""
        return [name for name, (kind, _) in self._directory.items() if kind == COUNTER]

    @property
    def histograms(self):
        """Names of the histograms, as created."""
        return [name for name, (kind, _) in self._directory.items() if kind == HISTOGRAM]

    def value(self, str name):
        """The counter's value now. Raises KeyError."""
        return load_relaxed(self.counter(name))

    def values(self):
        """Every counter: {name: value}."""
        return {name: self.value(name) for name in self.counters}

    def read(self, str name):
        """A copy of the histogram now, as a HistogramView. Raises KeyError."""
        cdef const int64_t *source = <const int64_t *> self.histogram(name)
        cdef int64_t i
        cdef int64_t[::1] words = np.empty(8 + BUCKETS, dtype=np.int64)
        for i in range(8 + BUCKETS):
            words[i] = load_relaxed(source + i)
        return HistogramView(np.asarray(words))

    # -- COMMANDS (for cold writers; hot ones use the inline functions of counters.pxd) --

    def increase(self, str name, int64_t amount=1):
        """Adds to a counter. Raises KeyError, or ValueError for a reader."""
        self._must_write()
        add(self.counter(name), amount)

    def set(self, str name, int64_t value):
        """Sets a counter. Raises KeyError, or ValueError for a reader."""
        self._must_write()
        put(self.counter(name), value)

    def observe(self, str name, int64_t value_ns):
        """Records one value in a histogram. Raises KeyError, or ValueError for a reader."""
        self._must_write()
        record(self.histogram(name), value_ns)

    def close(self):
        """The writer gives its lock back. It must not write afterwards."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _must_write(self):
        if self._lock is None:
            raise ValueError(f"{self.segment.path} is open for reading only")

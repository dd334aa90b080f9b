"""Frames of a market-data connection, and the lane that takes a whole one into the market ring without Python.

    picows' buffer -> stamped -> FeedHandler.accept_frame -> market ring -> the core is woken, if it sleeps

`FeedSession._on_frame` with `Producer.send` does the same in Python, for tests and recorded files; a test holds both to
the same records.
"""

from libc.stdint cimport int64_t
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec
from engine.feed.sync cimport FeedHandler
from ipc.counters cimport Counters, Histogram, add, record
from ipc.doorbell cimport BellRope
from ipc.ring cimport Producer
from picows.picows cimport WSFrame, WSListener, WSMsgType, WSTransport

from engine.clock import base_ns

cdef enum:
    WIRE_LIMITS = 4  # a frame of so many times the limit is not even received: picows ends the connection for it

WIRE_FRAMES = WIRE_LIMITS  # for who makes the connection


cdef int64_t CLOCK_BASE_NS = base_ns()


cdef inline int64_t utc_ns() noexcept nogil:
    """As clock.utc_ns."""
    cdef timespec moment
    clock_gettime(CLOCK_MONOTONIC, &moment)
    return CLOCK_BASE_NS + moment.tv_sec * 1_000_000_000 + moment.tv_nsec


cdef class FeedLane:
    """One handler's way into the market ring. counters: this process's, with `records` and the histogram `accept`.

    `rope` is the gateway's doorbell, once there is one: it is rung after the core was woken, so that a gateway that
    sleeps is awake when the order comes that the frame may cause.
    """

    cdef FeedHandler _handler
    cdef Producer _producer
    cdef Counters _owner
    cdef int64_t *_records
    cdef Histogram *_accept
    cdef public BellRope rope
    cdef readonly int64_t frames

    def __init__(self, FeedHandler handler, Producer producer, Counters counters):
        """Raises ValueError for a ring that the largest frame does not fit: such a frame would be lost in silence."""
        if not producer.has_room(handler.decoder.capacity):
            size = handler.decoder.capacity
            raise ValueError(f"frames of {size} records (feed.max_frame_records) do not fit the market ring")
        self._handler, self._producer, self._owner = handler, producer, counters
        self._records = counters.counter("records")
        self._accept = counters.histogram("accept")

    cdef void take(self, const char *frame, int64_t size, int64_t received_ns) noexcept nogil:
        cdef int64_t count
        self.frames += 1
        count = self._handler.accept_frame(frame, size, received_ns, -1)
        if count > 0 and self._producer.publish(self._handler.result, count) >= 0:
            record(self._accept, utc_ns() - received_ns)
            self._producer.wake()
            if self.rope is not None:
                self.rope.pull()
            add(self._records, count)

    def accept(self, const unsigned char[::1] frame, int64_t received_ns):
        """Takes one whole frame, as the connection does."""
        self.take(<const char *> &frame[0] if len(frame) else NULL, len(frame), received_ns)


cdef class Frames(WSListener):
    """Puts frames together and hands whole ones on, with the time at which the last piece came: to the lane if there
    is one, else to `on_frame` (memoryview or bytes, ns).

    Pieces beyond the limit are not kept; `on_too_large` is told how many bytes there were in the end.
    """

    cdef object _on_frame
    cdef object _on_too_large
    cdef int64_t _limit_bytes
    cdef FeedLane _lane
    cdef list _parts
    cdef int64_t _bytes

    def __init__(self, on_frame, on_too_large, int64_t limit_bytes, FeedLane lane=None):
        self._on_frame, self._on_too_large, self._limit_bytes, self._lane = on_frame, on_too_large, limit_bytes, lane
        self._parts, self._bytes = [], 0

    cpdef on_ws_frame(self, WSTransport transport, WSFrame frame):
        cdef int64_t received_ns = utc_ns()
        if frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()
        elif frame.msg_type in (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION):
            if frame.payload_size > WIRE_LIMITS * self._limit_bytes:
                return  # picows ends the connection for it, and that is where it is refused
            if not frame.fin or self._bytes > 0:
                self._add(frame.get_payload_as_bytes(), frame.fin, received_ns)
            elif self._lane is not None:
                self._lane.take(frame.payload_ptr, frame.payload_size, received_ns)
            else:
                self._on_frame(frame.get_payload_as_memoryview(), received_ns)

    cdef _add(self, bytes part, bint is_last, int64_t received_ns):
        cdef bytes whole
        self._bytes += len(part)
        self._parts.append(part)
        if self._bytes > self._limit_bytes:
            self._parts = []
        if not is_last:
            return
        parts, size, self._parts, self._bytes = self._parts, self._bytes, [], 0
        if size > self._limit_bytes:
            self._on_too_large(size, received_ns)
            return
        whole = b"".join(parts)
        if self._lane is not None:
            self._lane.take(whole, len(whole), received_ns)
        else:
            self._on_frame(whole, received_ns)

from libc.stdint cimport int64_t
from ipc.message cimport Message
from engine.feed.fields cimport Symbol

cdef enum:  # FrameType
    FRAME_NONE = 0
    FRAME_DEPTH = 1
    FRAME_SNAPSHOT = 2
    FRAME_TRADE = 3
    FRAME_QUOTE = 4
    FRAME_FUNDING = 5

cdef enum:
    NO_INSTRUMENT = 0xFFFFFFFF   # in a REFUSAL of a frame whose instrument is not known

cdef struct Frame:               # what a frame was, beside its records
    int64_t type                 # FrameType
    int64_t instrument           # row of the instrument table, -1 unknown
    int64_t first_update_id      # U
    int64_t last_update_id       # u, lastUpdateId, trade id
    int64_t previous_update_id   # pu; -1 where the venue gives none
    int64_t event_time_ns        # E; 0 where the venue gives none
    int64_t records
    int64_t refusal              # Refusal code, 0: taken
    int64_t offset               # of the byte at which a refused frame was wrong

cdef class Decoder:
    cdef readonly int64_t contract
    cdef readonly int64_t max_frame_bytes
    cdef readonly int64_t capacity
    cdef object _records
    cdef Message *out
    cdef Symbol *symbols
    cdef int64_t *slot_of_row
    cdef int64_t rows
    cdef object _owners
    cdef int _add_symbol(self, object entry, int64_t row) except -1
    # -- COMMANDS --
    # Writes the records of one frame to `out` and what it was to `frame`. Returns the refusal code.
    # instrument: the row a REST snapshot was asked for, -1 for a frame that names its symbol itself.
    cdef int64_t decode_frame(
        self, const char *data, int64_t size, int64_t receive_time_ns, int64_t instrument, Frame *frame
    ) noexcept nogil

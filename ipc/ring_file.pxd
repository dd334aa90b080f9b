# Where everything lies in a ring's segment, and its cold half; the picture stands in ring.pyx.
from libc.stdint cimport int64_t
from ipc.message cimport Message

cdef enum:
    HEAD_BYTE = 4096
    INTENT_BYTE = 4224
    SLEEPING_BYTE = 4352
    REGISTRATIONS_BYTE = 4480
    REGISTRY = 5120
    ENTRY_BYTES = 64
    CURSORS = 6144
    CURSOR_BYTES = 128
    SLOTS = 8192
    CONSUMERS = 16
    NAME_BYTES = 48

cdef enum:                   # Entry.state
    FREE = 0
    REGISTERED = 1

cdef struct Entry:
    int64_t state
    int64_t reserved
    char name[NAME_BYTES]

cdef inline int64_t *head_of(char *memory) noexcept nogil:
    return <int64_t *> (memory + HEAD_BYTE)

cdef inline int64_t *intent_of(char *memory) noexcept nogil:
    return <int64_t *> (memory + INTENT_BYTE)

cdef inline int64_t *registrations_of(char *memory) noexcept nogil:
    return <int64_t *> (memory + REGISTRATIONS_BYTE)

cdef inline Message *slots_of(char *memory) noexcept nogil:
    return <Message *> (memory + SLOTS)

cdef inline Entry *entry_of(char *memory, int slot) noexcept nogil:
    return <Entry *> (memory + REGISTRY + slot * ENTRY_BYTES)

cdef inline int64_t *cursor_of(char *memory, int slot) noexcept nogil:
    return <int64_t *> (memory + CURSORS + slot * CURSOR_BYTES)

cdef Message *records_of(object array) except NULL
cdef int write_entry(char *memory, int slot, bytes name, int64_t position) except -1
cdef bytes encode_name(object name)

cdef class RingFile:
    cdef readonly object segment
    cdef char *memory

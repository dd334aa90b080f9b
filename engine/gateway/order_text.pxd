# The text of an order request; what it looks like stands in order_text.pyx.
from libc.stdint cimport int64_t
from ipc.message cimport Message

cdef enum:
    TEXT_BYTES = 2048
    MARGIN_BYTES = 64        # before and after the text, for the frame's header and for a mask written in words

cdef struct Row:             # an instrument as its venue writes it
    int64_t name_bytes
    int64_t tick_mantissa
    int64_t tick_exponent
    int64_t lot_mantissa
    int64_t lot_exponent
    char name[32]

cdef class OrderText:
    cdef object _owners
    cdef Row *_rows
    cdef int64_t _row_count
    cdef const char *_run_id
    cdef int64_t _run_id_bytes
    cdef int64_t _receive_window_ms
    cdef char *text                  # TEXT_BYTES of it, with the margins around them
    # Writes the request for an ORDER message of two records. Returns its bytes, 0 for what it cannot say.
    cdef int64_t write(self, int64_t number, const Message *order, int64_t timestamp_ms) noexcept nogil
    cdef char *_terms(self, char *at, const Row *row, const Message *order) noexcept nogil
    cdef char *_client_id(self, char *at, int64_t number) noexcept nogil

"""The JSON of order.place, order.cancel and order.cancelReplace, written straight from the records of an order.

    {"id":7,"method":"order.place","params":{"symbol":"BTCUSDT","side":"BUY","type":"LIMIT","quantity":"0.00100",
     "newClientOrderId":"run-12","newOrderRespType":"ACK","price":"60000.00","timeInForce":"GTC","recvWindow":5000,
     "timestamp":1790000000000}}

For a session that has logged on: nothing is signed. The reference is `order_params.py` with msgspec, byte for byte.
"""

from libc.stdint cimport INT64_MAX, int64_t, uint64_t
from libc.string cimport memcpy
from ipc.message cimport (
    ACTION_CANCEL, ACTION_NEW, ACTION_REPLACE, Message, ORDER_TYPE_LIMIT, ORDER_TYPE_LIMIT_MAKER, ORDER_TYPE_MARKET,
    OrderDetail, SIDE_BID, TIME_IN_FORCE_FOK, TIME_IN_FORCE_GTC, TIME_IN_FORCE_IOC,
)

import numpy as np

cdef enum:
    LONGEST_RUN_ID = 64
    LARGEST_EXPONENT = 18

cdef extern from *:
    """
    #include <string.h>
    /* of a literal: the compiler knows its length */
    static inline char *bot4_put(char *at, const char *text) {
        return (char *) memcpy(at, text, strlen(text)) + strlen(text);
    }
    """
    char *put "bot4_put"(char *at, const char *text) noexcept nogil


cdef inline char *put_integer(char *at, uint64_t value) noexcept nogil:
    cdef char digits[20]
    cdef int count = 0
    while True:
        digits[count] = <char> (48 + value % 10)
        value //= 10
        count += 1
        if value == 0:
            break
    while count > 0:
        count -= 1
        at[0] = digits[count]
        at += 1
    return at


cdef inline char *put_decimal(char *at, uint64_t value, int64_t places) noexcept nogil:
    """value * 10 ** -places with all its places, as Decimal writes it."""
    cdef uint64_t scale = 1
    cdef int64_t i
    for _ in range(places):
        scale *= 10
    at = put_integer(at, value // scale)
    if places > 0:
        at[0] = 46
        value %= scale
        for i in range(places, 0, -1):
            at[i] = <char> (48 + value % 10)
            value //= 10
        at += places + 1
    return at


cdef class OrderText:
    """Text memory of one session. `instruments`: the run's table, dtype INSTRUMENT."""

    def __init__(self, instruments, str run_id, int64_t receive_window_ms):
        cdef char[::1] raw
        cdef bytes encoded = run_id.encode()
        if not 0 < len(encoded) <= LONGEST_RUN_ID:
            raise ValueError(f"run id of {len(encoded)} bytes: 1 to {LONGEST_RUN_ID} are possible")
        rows = np.zeros(max(1, len(instruments)) * sizeof(Row), dtype=np.int8)
        text = np.zeros(TEXT_BYTES + 2 * MARGIN_BYTES, dtype=np.int8)
        self._owners = (rows, text, encoded)
        raw = rows
        self._rows = <Row *> &raw[0]
        raw = text
        self.text = &raw[MARGIN_BYTES]
        self._run_id, self._run_id_bytes = encoded, len(encoded)
        self._receive_window_ms = receive_window_ms
        self._row_count = len(instruments)
        for i, row in enumerate(instruments):
            name = bytes(row["symbol"])
            self._rows[i].name_bytes = len(name)
            memcpy(self._rows[i].name, <const char *> name, len(name))
            self._rows[i].tick_mantissa, self._rows[i].tick_exponent = row["tick_mantissa"], row["tick_exponent"]
            self._rows[i].lot_mantissa, self._rows[i].lot_exponent = row["lot_mantissa"], row["lot_exponent"]

    cdef char *_client_id(self, char *at, int64_t number) noexcept nogil:
        memcpy(at, self._run_id, self._run_id_bytes)
        at += self._run_id_bytes
        at[0] = 45
        return put_integer(at + 1, number)

    cdef char *_terms(self, char *at, const Row *row, const Message *order) noexcept nogil:
        """Side to time in force of a new order or a replacement."""
        cdef const OrderDetail *detail = <const OrderDetail *> (order + 1)
        at = put(at, b',"side":"BUY","type":"') if order.side == SIDE_BID else put(at, b',"side":"SELL","type":"')
        if detail.order_type == ORDER_TYPE_LIMIT:
            at = put(at, b'LIMIT","quantity":"')
        elif detail.order_type == ORDER_TYPE_MARKET:
            at = put(at, b'MARKET","quantity":"')
        else:
            at = put(at, b'LIMIT_MAKER","quantity":"')
        at = put_decimal(at, order.quantity_lots * row.lot_mantissa, row.lot_exponent)
        at = put(at, b'","newClientOrderId":"')
        at = self._client_id(at, order.order_id)
        at = put(at, b'","newOrderRespType":"ACK"')
        if detail.order_type != ORDER_TYPE_MARKET:
            at = put(at, b',"price":"')
            at = put_decimal(at, order.price_ticks * row.tick_mantissa, row.tick_exponent)
            at = put(at, b'"')
        if detail.order_type == ORDER_TYPE_LIMIT:
            if detail.time_in_force == TIME_IN_FORCE_GTC:
                at = put(at, b',"timeInForce":"GTC"')
            elif detail.time_in_force == TIME_IN_FORCE_IOC:
                at = put(at, b',"timeInForce":"IOC"')
            else:
                at = put(at, b',"timeInForce":"FOK"')
        return at

    cdef int64_t write(self, int64_t number, const Message *order, int64_t timestamp_ms) noexcept nogil:
        cdef const OrderDetail *detail = <const OrderDetail *> (order + 1)
        cdef const Row *row
        cdef char *at = self.text
        if order.instrument >= self._row_count:
            return 0
        row = self._rows + order.instrument
        if not sayable(row, order, detail):
            return 0
        at = put_integer(put(at, b'{"id":'), number)
        if detail.action == ACTION_NEW:
            at = put(at, b',"method":"order.place","params":{"symbol":"')
        elif detail.action == ACTION_CANCEL:
            at = put(at, b',"method":"order.cancel","params":{"symbol":"')
        else:
            at = put(at, b',"method":"order.cancelReplace","params":{"symbol":"')
        memcpy(at, row.name, row.name_bytes)
        at = put(at + row.name_bytes, b'"')
        if detail.action == ACTION_CANCEL:
            at = put(self._client_id(put(at, b',"origClientOrderId":"'), detail.target_order_id), b'"')
        else:
            at = self._terms(at, row, order)
        if detail.action == ACTION_REPLACE:
            at = put(at, b',"cancelReplaceMode":"STOP_ON_FAILURE","cancelOrigClientOrderId":"')
            at = put(self._client_id(at, detail.target_order_id), b'"')
        at = put_integer(put(at, b',"recvWindow":'), self._receive_window_ms)
        at = put_integer(put(at, b',"timestamp":'), timestamp_ms)
        return put(at, b'}}') - self.text

    def text_of(self, int64_t number, records, int64_t timestamp_ms):
        """The text as bytes, for tests; b"" for what it cannot say. `records`: shape (2,), dtype MESSAGE."""
        cdef const char[::1] raw = np.ascontiguousarray(records).view(np.int8)
        cdef int64_t size = self.write(number, <const Message *> &raw[0], timestamp_ms)
        return self.text[:size]


cdef bint sayable(const Row *row, const Message *order, const OrderDetail *detail) noexcept nogil:
    """Whether every field is one that this module can write; what is not goes the slow way."""
    if detail.action == ACTION_CANCEL:
        return True
    if detail.action != ACTION_NEW and detail.action != ACTION_REPLACE:
        return False
    if not ORDER_TYPE_LIMIT <= detail.order_type <= ORDER_TYPE_LIMIT_MAKER:
        return False
    if detail.order_type == ORDER_TYPE_LIMIT and not TIME_IN_FORCE_GTC <= detail.time_in_force <= TIME_IN_FORCE_FOK:
        return False
    if not (0 <= row.tick_exponent <= LARGEST_EXPONENT and 0 <= row.lot_exponent <= LARGEST_EXPONENT):
        return False
    if row.tick_mantissa < 1 or row.lot_mantissa < 1:
        return False
    return (
        0 <= order.quantity_lots <= INT64_MAX // row.lot_mantissa
        and 0 <= order.price_ticks <= INT64_MAX // row.tick_mantissa
    )

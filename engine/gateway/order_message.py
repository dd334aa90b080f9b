"""An order message, MESSAGE and ORDER_DETAIL, as plain integers: numpy's scalar access would cost more than the send.

offset 0                                                        64
      +--------------------------------------------------------+------------------------------------------+
      |sequence event receive instrument kind side flags price  |sequence event receive instrument kind ... |
      +--------------------------------------------------------+------------------------------------------+
"""

import struct
from typing import NamedTuple

import numpy as np

from ipc.messages import MESSAGE, ORDER_DETAIL

_RECORDS = struct.Struct("<qqqIBBHqqqq" + "qqqIBBHqIBBBBqq")
assert _RECORDS.size == MESSAGE.itemsize + ORDER_DETAIL.itemsize


class OrderMessage(NamedTuple):
    """Every field of both records in their order; those of the detail that have a namesake in the head say `cause`."""

    sequence: int
    event_time_ns: int
    receive_time_ns: int
    instrument: int
    kind: int
    side: int
    flags: int
    price_ticks: int
    quantity_lots: int
    order_id: int
    extra: int
    detail_sequence: int
    cause_event_time_ns: int
    cause_receive_time_ns: int
    detail_instrument: int
    detail_kind: int
    action: int
    detail_flags: int
    cause_sequence: int
    strategy: int
    order_type: int
    time_in_force: int
    reduce_only: int
    cause_source: int
    target_order_id: int
    tag: int


def read_order(records: np.ndarray) -> OrderMessage:
    """`records` has shape (2,) and dtype MESSAGE."""
    return OrderMessage._make(_RECORDS.unpack(records.tobytes()))


def records_of(order: OrderMessage) -> np.ndarray:
    """The message again, shape (2,), dtype MESSAGE."""
    return np.frombuffer(bytearray(_RECORDS.pack(*order)), dtype=MESSAGE)

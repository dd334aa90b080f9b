"""What a matching engine says: one dtype for the fast engine and for its reference."""

from enum import IntEnum

import numpy as np


class EventKind(IntEnum):
    ACCEPTED = 1  # the order was taken in
    TRADE = 2  # order_id is the taker's; price is the maker's
    EXPIRED = 3  # what is left of a taker that may not rest
    PREVENTED = 4  # a resting order left untraded: its own owner's order met it
    CANCELLED = 5
    REJECTED = 6  # number = Reject
    LEVEL = 7  # quantity_lots is the level's new total, number the update id


class Reject(IntEnum):
    WOULD_TAKE = 1
    BOOK_FULL = 2


EVENT = np.dtype(
    [
        (name, "<i8")
        for name in (
            "kind",
            "side",
            "order_id",
            "owner",
            "price_ticks",
            "quantity_lots",
            "remaining_lots",
            "maker_order_id",
            "maker_owner",
            "maker_remaining_lots",
            "number",
        )
    ]
)

Event = tuple[int, int, int, int, int, int, int, int, int, int, int]

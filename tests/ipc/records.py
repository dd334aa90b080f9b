"""Records for the tests of the ring: whole messages with the marks that the contract asks for."""

import numpy as np
import numpy.typing as npt

from ipc.messages import Flag, Kind, messages


def message(length: int, value: int = 0, *, quote: bool = False) -> npt.NDArray[np.void]:
    """One message of `length` records; record i carries value + i in price_ticks."""
    records = messages(length)
    records["kind"] = Kind.QUOTE if quote else Kind.DETAIL
    records["kind"][0] = Kind.QUOTE if quote else Kind.INTENT
    records["flags"][:-1] |= np.uint16(Flag.MORE)
    if quote:
        records["flags"][1:] |= np.uint16(Flag.QUOTE_SIDE)
    records["price_ticks"] = value + np.arange(length)
    return records

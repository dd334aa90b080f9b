from typing import Any, NamedTuple

import numpy as np

DECODER_VERSION: int

class DecodedFrame(NamedTuple):
    type: int
    instrument: int
    first_update_id: int
    last_update_id: int
    previous_update_id: int
    event_time_ns: int
    records: int
    refusal: int
    offset: int

class Decoder:
    contract: int
    max_frame_bytes: int
    capacity: int

    def __init__(
        self, instruments: np.ndarray[Any, Any], contract: int, *, max_frame_bytes: int = ..., capacity: int = ...
    ) -> None: ...
    def decode(
        self, frame: bytes | bytearray | memoryview, receive_time_ns: int, instrument: int = -1
    ) -> tuple[DecodedFrame, np.ndarray[Any, Any]]: ...

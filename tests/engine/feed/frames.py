"""Frames and instruments that the tests of the feed share."""

import json
from typing import Any

import numpy as np

from engine.feed.binance import make_instrument

SPOT_ROW, PERP_ROW, COIN_ROW = 0, 1, 2
RECEIVED_NS = 1_723_161_254_000_000_000


def instruments() -> np.ndarray[Any, Any]:
    """Rows 0 BTCUSDT spot, 1 BTCUSDT perpetual, 2 BTCUSD_PERP."""
    return np.concatenate(
        [make_instrument("spot", "BTCUSDT"), make_instrument("usdm", "BTCUSDT"), make_instrument("cm", "BTCUSD_PERP")]
    )


def envelope(data: dict[str, Any], stream: str = "btcusdt@depth@100ms") -> bytes:
    return json.dumps({"stream": stream, "data": data}, separators=(",", ":")).encode()


def spot_diff(
    first: int, last: int, bids: Any = (("100.00", "1.5"),), asks: Any = (), *, time_ms: int = 1_723_161_255_208
) -> bytes:
    return envelope(
        {
            "e": "depthUpdate",
            "E": time_ms,
            "s": "BTCUSDT",
            "U": first,
            "u": last,
            "b": [list(level) for level in bids],
            "a": [list(level) for level in asks],
        }
    )


def perp_diff(first: int, last: int, previous: int, bids: Any = (("100.0", "1.5"),), asks: Any = ()) -> bytes:
    return envelope(
        {
            "e": "depthUpdate",
            "E": 1_723_161_255_208,
            "T": 1_723_161_255_200,
            "s": "BTCUSDT",
            "U": first,
            "u": last,
            "pu": previous,
            "b": [list(level) for level in bids],
            "a": [list(level) for level in asks],
        }
    )


def snapshot(update_id: int, bids: Any = (("99.00", "2"), ("98.00", "3")), asks: Any = (("101.00", "4"),)) -> bytes:
    return json.dumps(
        {"lastUpdateId": update_id, "bids": [list(level) for level in bids], "asks": [list(level) for level in asks]}
    ).encode()

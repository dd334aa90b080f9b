"""One frame from bytes to messages, beside two ways to parse the same bytes in the same run.

Every way is called once a frame from Python, as the live session calls it. Ours does the whole of the work: levels to
ticks and lots, checked, synchronised, ready for the ring. The peers only parse: msgspec into typed structs, the
standard library into dicts; their decimals are still text. Rounds are interleaved and the best of each is kept.

    python -m benchmarks.bench_feed
"""

import gzip
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from engine.feed.binance import make_instrument
from engine.feed.sync import FeedHandler
from ipc.instruments import Contract

ROUNDS = 5
RECORDING = "usdm_btcusdt_20240808.gz"
Levels = list[tuple[str, str]]


class DiffData(msgspec.Struct):
    """The fields that a book needs."""

    e: str
    E: int
    s: str
    U: int
    u: int
    pu: int
    b: Levels
    a: Levels


class TradeData(msgspec.Struct):
    e: str
    E: int
    s: str
    t: int
    p: str
    q: str
    m: bool


class QuoteData(msgspec.Struct):
    u: int
    s: str
    b: str
    B: str
    a: str
    A: str


class Diff(msgspec.Struct):
    data: DiffData


class Trade(msgspec.Struct):
    data: TradeData


class Quote(msgspec.Struct):
    data: QuoteData


STRUCTS: dict[str, type] = {"depth": Diff, "trade": Trade, "bookTicker": Quote}


def recorded_frames(folder: Path) -> tuple[bytes, dict[str, list[bytes]]]:
    """The snapshot, and the frames of each stream in their order."""
    frames: dict[str, list[bytes]] = {name: [] for name in STRUCTS}
    snapshot = b""
    with gzip.open(folder / "binance_ws" / RECORDING) as lines:
        for line in lines:
            frame = line.rstrip().split(b" ", 1)[1]
            if frame.startswith(b'{"lastUpdateId"'):
                snapshot = frame
                continue
            frames[frame.split(b'"', 4)[3].split(b"@")[1].decode()].append(frame)
    return snapshot, frames


def nanoseconds_each(call: Callable[[bytes], Any], frames: list[bytes]) -> float:
    started = time.perf_counter_ns()
    for frame in frames:
        call(frame)
    return (time.perf_counter_ns() - started) / len(frames)


def accepting() -> Callable[[bytes], Any]:
    """The handler of a live session, its book not yet synchronised with these diffs; each call takes one frame."""
    handler = FeedHandler(make_instrument("usdm", "BTCUSDT"), Contract.LINEAR)
    return lambda frame: handler.accept(frame, 1_723_161_255_000_000_000)


def synchronised(snapshot: bytes, diffs: list[bytes]) -> tuple[Callable[[bytes], Any], list[bytes]]:
    """A handler whose book is VALID, and the diffs that follow."""
    handler = FeedHandler(make_instrument("usdm", "BTCUSDT"), Contract.LINEAR)
    handler.accept(snapshot, 1, 0)
    for number, frame in enumerate(diffs):
        handler.accept(frame, 2)
        if handler.counts(0)["diffs"]:
            return lambda frame: handler.accept(frame, 3), diffs[number + 1 :]
    raise ValueError(f"{RECORDING}: no diff joins the snapshot")


def frame_decode(folder: Path) -> list[dict[str, Any]]:
    """Rows for each stream: name, count, ns a frame of ours and of the peers, and how many times faster ours is."""
    snapshot, frames = recorded_frames(folder)
    rows = []
    for name, taken in frames.items():
        decode: Callable[[bytes], Any] = msgspec.json.Decoder(STRUCTS[name]).decode
        best = dict.fromkeys(("bot4", "msgspec", "json"), float("inf"))
        for _ in range(ROUNDS):
            accept, measured = synchronised(snapshot, taken) if name == "depth" else (accepting(), taken)
            for way, call in (("bot4", accept), ("msgspec", decode), ("json", json.loads)):
                best[way] = min(best[way], nanoseconds_each(call, measured))
        rows.append(
            {
                "name": f"frame_{name}",
                "count": len(taken),
                "bytes": round(sum(map(len, taken)) / len(taken)),
                **{f"{way}_ns": round(value) for way, value in best.items()},
                "ratio_to_msgspec": round(best["msgspec"] / best["bot4"], 2),
                "ratio_to_json": round(best["json"] / best["bot4"], 2),
            }
        )
    return rows


if __name__ == "__main__":
    DATA = Path(os.environ.get("BOT4_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    print(json.dumps(frame_decode(DATA), indent=2))

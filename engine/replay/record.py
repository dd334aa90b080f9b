"""Records market data to a tape exactly as the core would see it: the feed fills a market ring, this reads it."""

import math
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from engine.config import Config
from engine.errors import Exit, UserError
from engine.replay.tape import write_tape
from engine.run import Run
from ipc.messages import Kind, messages
from ipc.ring import Consumer, Ring

RECORDS = 1 << 16
NEEDED = ("exchange", "feed")  # the processes of a run that market data needs
LOOK_S = 0.05


def record(
    config: Config, seconds: float, output: Path, tell: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Writes a tape of so many seconds. Keys: path, records, seconds, instruments, lapped, kinds.

    Raises UserError when the time is impossible, the tape exists, the feed does not start, or nothing came.
    """
    if not 0 < seconds < math.inf:
        raise UserError(f"--seconds: must be a number above 0, is {seconds}")
    if output.exists():
        raise UserError(f"{output} exists: choose another --output")
    run = Run(config)
    run.supervisor.children = [child for child in run.supervisor.children if child.name in NEEDED]
    consumer = Ring.attach(run.files.ring("market")).consumer("record")
    instruments = np.load(run.files.instruments)
    counts: dict[str, int] = {"records": 0, "lapped": 0}
    kinds: dict[str, int] = {}
    try:
        run.supervisor.start()
        tell(f"recording {', '.join(row['name'].decode() for row in instruments)} for {seconds:.0f} s")
        write_tape(output, instruments, _arrays(run, consumer, seconds, counts, kinds))
    finally:
        consumer.close()
        run.finish()
        shutil.rmtree(run.files.directory)  # a recording is no run: it has no journal
    if counts["records"] == 0:
        output.unlink()
        raise UserError("nothing was received: is the venue reachable? see `bot4 doctor`", Exit.VENUE)
    names = [row["name"].decode() for row in instruments]
    return {"path": str(output), "seconds": seconds, "instruments": names, **counts, "kinds": kinds}


def _arrays(
    run: Run, consumer: Consumer, seconds: float, counts: dict[str, int], kinds: dict[str, int]
) -> Iterator[np.ndarray[Any, Any]]:
    """What the ring brings, until the time is over or the feed has died for good."""
    buffer = messages(RECORDS)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and run.supervisor.ended is None:
        count = consumer.receive(buffer)
        if count < 0:
            counts["lapped"] += consumer.lost
        elif count == 0:
            run.supervisor.watch()
            time.sleep(LOOK_S)
        else:
            counts["records"] += count
            found, numbers = np.unique(buffer["kind"][:count], return_counts=True)
            for kind, number in zip(found, numbers, strict=True):
                name = Kind(int(kind)).name
                kinds[name] = kinds.get(name, 0) + int(number)
            yield buffer[:count].copy()

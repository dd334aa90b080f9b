"""What it costs to have a message on disk: the journal process behind its ring, and two peers in the same run.

Latency: open loop at 20,000 messages a second with intended start times; the first tenth warms up. With `disk` a
message is done when the journal reports it as surviving a power cut (the gateway may then send), with `ring` when it
lies in the journal ring. Each has a pass of its own: the sender of `disk` sleeps 50 µs at a time, to leave a core of a
small machine to the journal; that of `ring` yields. `idle` is `disk` at 500 messages a second: each is a commit of its
own. `commit` is what the journal itself measures in the `disk` pass, from receipt to return.
Throughput: the ring kept full; messages on disk a second, from the first send to the last one's durability.
Peers: a file with append and fdatasync, SQLite in WAL mode with synchronous=FULL; one message a commit for the latency,
16,384 records a commit for the throughput, in this process, with no ring, checksum or chain.

    python -m benchmarks.bench_journal [SECONDS]

The folder must lie on the disk that is to be measured: BOT4_RUNS, by default runs/ beside this folder.
"""

import json
import multiprocessing
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.journal.config import JournalSettings
from engine.journal.manifest import Manifest, read_manifest, write_manifest
from engine.journal.process import CONSUMER_NAME, STATUS_NAME, JournalProcessSettings, main
from engine.journal.status import JournalState, JournalStatus
from ipc.messages import SOURCE_SHIFT, Flag, Kind, Source, messages
from ipc.ring import Producer, Ring, RingFull

MESSAGES_PER_SECOND = 20_000
IDLE_PER_SECOND = 500
CAPACITY = 65_536
BURST = 4096  # messages in one send while the ring is kept full
GROUP = 16_384
PEER_COMMITS = 400
PEER_GROUPS = 30
PATIENCE_S = 60.0
SETTINGS = JournalSettings(durability="disk", stop_free_mib=0, keep_free_mib=0)
_SPAWN = multiprocessing.get_context("spawn")


def journal(seconds: float = 4.0, peers: bool = True) -> dict[str, Any]:
    """The row `journal`: name, count, p50_ns, p99_ns, p999_ns, max_ns (of `disk`), per_s, ring, idle, commit, peers.

    Not counted here: allocations, which stand as null. Raises TimeoutError when the journal process does not answer.
    """
    runs = Path(os.environ.get("BOT4_RUNS", Path(__file__).resolve().parents[1] / "runs"))
    runs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=runs, prefix="bench-journal-") as name:
        folder = Path(name)
        count = max(200, int(seconds * MESSAGES_PER_SECOND))
        disk_ns, _, commit = _paced(folder / "disk", count, MESSAGES_PER_SECOND, _sleep)
        _, ring_ns, _ = _paced(folder / "ring", count // 4, MESSAGES_PER_SECOND, os.sched_yield)
        idle_ns, _, _ = _paced(folder / "idle", max(100, int(seconds * IDLE_PER_SECOND / 4)), IDLE_PER_SECOND, _sleep)
        row: dict[str, Any] = {"name": "journal", "count": len(disk_ns), **_percentiles(disk_ns)}
        row["per_s"] = _throughput(folder / "unpaced", max(GROUP, int(seconds * 500_000)))
        row["allocations"] = None
        row["offered_per_s"] = MESSAGES_PER_SECOND
        row["ring"] = _percentiles(ring_ns)
        row["idle"] = _percentiles(idle_ns)
        row["commit"] = commit
        if peers:
            appended, sqlite = _append_peer(folder / "append"), _sqlite_peer(folder / "sqlite")
            row["peers"] = {"append_fdatasync": appended[0], "sqlite_wal_full": sqlite[0]}
            row["peers_per_s"] = {"append_fdatasync": appended[1], "sqlite_wal_full": sqlite[1]}
            row["ratio_to_peer"] = {peer: row["per_s"] / per_s for peer, per_s in row["peers_per_s"].items()}
    return row


# -- the journal process


class _Journal:
    """A run with a journal process on it, and the core's end of its ring."""

    def __init__(self, run: Path) -> None:
        self.run = run
        write_manifest(run, Manifest(run_id=run.name))
        path = _memory_folder(run) / f"{os.getpid()}-{run.name}.ring"
        self.ring = Ring.create(path, CAPACITY, lossy=False, epoch=1, consumers=[CONSUMER_NAME])
        self.producer: Producer = self.ring.producer()
        settings = JournalProcessSettings(
            run_directory=str(run), ring=str(path), status=str(run / STATUS_NAME), journal=SETTINGS
        )
        self.process = _SPAWN.Process(target=main, args=(settings,), daemon=True)

    def __enter__(self) -> "_Journal":
        self.process.start()
        deadline = time.monotonic() + PATIENCE_S
        while not (self.run / STATUS_NAME).exists() or JournalStatus(self.run / STATUS_NAME).heartbeat_ns == 0:
            if time.monotonic() > deadline or not self.process.is_alive():
                raise TimeoutError(f"the journal process did not start within {PATIENCE_S:.0f} s")
            time.sleep(0.01)
        self.status = JournalStatus(self.run / STATUS_NAME)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.join(PATIENCE_S)
        self.producer.close()
        self.ring.path.unlink()
        if self.process.exitcode != 0 or self.status.state is not JournalState.CLOSED:
            raise RuntimeError(f"the journal process ended with {self.process.exitcode}")


def _sleep() -> None:
    """Leaves the core to the journal process on a small machine; wakes up after about 50 µs (timer slack)."""
    time.sleep(0)


def _paced(
    run: Path, count: int, per_second: int, wait: Callable[[], None]
) -> tuple[NDArray[np.int64], NDArray[np.int64], dict[str, int]]:
    """Latency of each message to disk and to the ring, ns, shape (n,), and the commit times."""
    warm_up = count // 10
    total = count + warm_up
    records = _inputs(total)
    disk_ns, ring_ns = np.zeros(total, dtype=np.int64), np.zeros(total, dtype=np.int64)
    interval_ns = 1_000_000_000 // per_second
    sent = durable = 0
    with _Journal(run) as journal:
        status, send = journal.status, journal.producer.send
        start_ns = time.monotonic_ns()
        due_ns = start_ns + interval_ns * np.arange(total)
        while durable < total:
            now_ns = time.monotonic_ns()
            if sent < total and now_ns >= start_ns + sent * interval_ns:
                send(records[sent : sent + 1])
                ring_ns[sent] = time.monotonic_ns() - due_ns[sent]
                sent += 1
            else:
                wait()
            reached = status.durable_position
            if reached > durable:
                disk_ns[durable:reached] = time.monotonic_ns() - due_ns[durable:reached]
                durable = reached
        commits = status.commits()
        commit = {f"p{name}_ns": commits.percentile(at) for name, at in (("50", 50), ("99", 99), ("999", 99.9))}
        commit |= {"max_ns": commits.maximum, "count": commits.count}
    return disk_ns[warm_up:], ring_ns[warm_up:], commit


def _throughput(run: Path, count: int) -> float:
    """Messages a second on disk, the ring kept full."""
    burst = _inputs(BURST)
    sends = -(-count // BURST)
    with _Journal(run) as journal:
        start = time.perf_counter()
        for _ in range(sends):
            _send_when_there_is_room(journal.producer, burst)
        while journal.status.durable_position < sends * BURST:
            time.sleep(0.0005)
        seconds = time.perf_counter() - start
    assert read_manifest(run).segments[-1].end_position == sends * BURST
    return sends * BURST / seconds


def _send_when_there_is_room(producer: Producer, burst: NDArray[np.void]) -> None:
    while True:
        try:
            producer.send(burst)
        except RingFull:
            time.sleep(0.0002)
        else:
            return


def _inputs(count: int) -> NDArray[np.void]:
    """One-record messages of market data."""
    records = messages(count)
    records["kind"] = Kind.TRADE
    records["flags"] = Flag.LAST | (Source.MARKET << SOURCE_SHIFT)
    records["price_ticks"] = np.random.default_rng(1).integers(1, 1 << 40, count)
    return records


def _memory_folder(otherwise: Path) -> Path:
    """A tmpfs when the machine has the usual one."""
    return Path("/dev/shm") if Path("/dev/shm").is_dir() else otherwise


# -- the peers: (median ns of one durable message, messages a second in groups)


def _append_peer(path: Path) -> tuple[int, float]:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def commit(data: bytes) -> None:
        os.write(descriptor, data)
        os.fdatasync(descriptor)

    figures = _time_commits(commit)
    os.close(descriptor)
    return figures


def _sqlite_peer(path: Path) -> tuple[int, float]:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE block (position INTEGER PRIMARY KEY, records BLOB)")

    def commit(data: bytes) -> None:
        connection.execute("INSERT INTO block (records) VALUES (?)", (data,))

    figures = _time_commits(commit)
    connection.close()
    return figures


def _time_commits(commit: Callable[[bytes], None]) -> tuple[int, float]:
    one, group = _inputs(1).tobytes(), _inputs(GROUP).tobytes()
    singles = []
    for _ in range(PEER_COMMITS):
        start_ns = time.perf_counter_ns()
        commit(one)
        singles.append(time.perf_counter_ns() - start_ns)
    start = time.perf_counter()
    for _ in range(PEER_GROUPS):
        commit(group)
    return int(np.median(singles)), PEER_GROUPS * GROUP / (time.perf_counter() - start)


def _percentiles(latency_ns: NDArray[np.int64]) -> dict[str, int]:
    names = {"p50_ns": 50.0, "p99_ns": 99.0, "p999_ns": 99.9, "max_ns": 100.0}
    return {name: int(np.percentile(latency_ns, at)) for name, at in names.items()}


if __name__ == "__main__":
    print(json.dumps(journal(float(sys.argv[1]) if len(sys.argv) > 1 else 4.0), indent=2))

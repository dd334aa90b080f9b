"""One-way hop of a 64-byte message between two processes: the ring, and two peers in the same run.

Open loop at 20,000 messages a second with intended start times: a latency counts from when its message was due. The
first tenth warms up and is not counted. The ring's two ends are Cython loops without the GIL (`ipc/ring_hop.pyx`), the
peers are what a Python process would use instead: pyzmq PUSH to PULL over ipc://, and a Unix socket pair, both reading
the same clock. Percentiles come from `ipc/counters.pyx` and are at most 1/32 high.

    python -m benchmarks.bench_ipc [SECONDS]
"""

import json
import multiprocessing
import os
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import zmq

from ipc import bus, waiting
from ipc import ring_hop as ring_hop_module
from ipc.counters import Counters
from ipc.ring import Ring
from ipc.ring_hop import receive, send

MESSAGES_PER_SECOND = 20_000
CAPACITY = 65_536
THROUGHPUT_MESSAGES = 2_000_000
MESSAGE_BYTES = 64
HISTOGRAM = "hop_ns"
PEERS_SHARE = 0.25  # of the time, for each peer
SPIN_SHARE = 0.25
JOIN_SECONDS = 60
_STAMP = struct.Struct("<q56x")
_SPAWN = multiprocessing.get_context("spawn")


def ring_hop(seconds: float = 4.0, peers: bool = True) -> dict[str, Any]:
    """The row `ring_hop`: name, count, p50_ns, p99_ns, p999_ns, max_ns, per_s (unpaced), peers {name: p50_ns}."""
    strategy = waiting.choose(spinners=2)
    count = max(100, int(seconds * MESSAGES_PER_SECOND))
    with tempfile.TemporaryDirectory(dir=_memory_folder()) as name:
        folder = Path(name)
        row = _ring(folder, count, strategy)
        row["per_s"] = _throughput(folder, strategy)
        if strategy != waiting.SPIN and len(os.sched_getaffinity(0)) > 1:
            # What two owned cores would give; an engine that shares them does not spin, so it is not the row's figure.
            spun = _ring(folder, max(100, int(count * SPIN_SHARE)), waiting.SPIN)
            row["spin"] = {key: spun[key] for key in ("p50_ns", "p99_ns", "p999_ns", "max_ns")}
        if peers:
            peer_count = max(100, int(count * PEERS_SHARE))
            row["peers"] = {
                "pyzmq_ipc": _peer(folder / "zmq", _zmq_receiver, _zmq_sender, peer_count),
                "unix_socketpair": _peer(folder / "unix", _unix_receiver, _unix_sender, peer_count),
            }
            row["ratio_to_peer"] = {peer: p50 / row["p50_ns"] for peer, p50 in row["peers"].items()}
    return row


def _memory_folder() -> str | None:
    """A tmpfs when the machine has the usual one, else the default for temporary files."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


# -- the ring


def _ring(folder: Path, count: int, strategy: int) -> dict[str, Any]:
    path = folder / f"{waiting.NAMES[strategy]}.ring"
    ring = Ring.create(path, CAPACITY, lossy=True, epoch=1)
    warm_up = count // 10
    receiver, outcome = _start(_ring_receiver, path, count + warm_up, strategy, warm_up)
    producer = ring.producer()
    outcome.recv()
    send(producer, count + warm_up, 1_000_000_000 // MESSAGES_PER_SECOND, strategy)
    sent = ring_hop_module.allocations
    _finish(receiver, outcome)
    received = Counters.attach(path.with_suffix(".counters")).value("allocations")
    return {"name": "ring_hop", "count": count, **_percentiles(path.with_suffix(".counters"))} | {
        "allocations": None if min(sent, received) < 0 else sent + received,  # of both ends
        "strategy": waiting.NAMES[strategy],
        "offered_per_s": MESSAGES_PER_SECOND,
    }


def _throughput(folder: Path, strategy: int) -> float:
    """Messages a second through a gated ring, one publish each, as fast as both ends can."""
    ring = Ring.create(folder / "unpaced.ring", CAPACITY, lossy=False, epoch=1)
    receiver, outcome = _start(_ring_receiver, folder / "unpaced.ring", THROUGHPUT_MESSAGES, strategy, -1)
    producer = ring.producer()
    outcome.recv()
    send(producer, THROUGHPUT_MESSAGES, 0, strategy)
    return THROUGHPUT_MESSAGES / float(_finish(receiver, outcome))


def _ring_receiver(outcome: Connection, path: Path, count: int, strategy: int, warm_up: int) -> None:
    consumer = Ring.attach(path).consumer("receiver", start=0)
    counters = None
    if warm_up >= 0:
        path = path.with_suffix(".counters")
        counters = Counters.create(path, epoch=1, counters=["allocations"], histograms=[HISTOGRAM])
    outcome.send("ready")
    seconds = receive(consumer, count, strategy, counters, HISTOGRAM, warm_up)
    if counters is not None:
        counters.set("allocations", ring_hop_module.allocations)
    outcome.send(seconds)


# -- the peers


def _peer(path: Path, receiver: Callable[..., None], sender: Callable[..., None], count: int) -> int:
    """Median one-way latency in ns of `count` messages paced as the ring's were."""
    warm_up = count // 10
    process, outcome = _start(receiver, path, count + warm_up, warm_up)
    outcome.recv()
    sender(path, count + warm_up)
    _finish(process, outcome)
    return int(_percentiles(path.with_suffix(".counters"))["p50_ns"])


def _paced(send_one: Callable[[bytes], object], count: int) -> None:
    interval_ns = 1_000_000_000 // MESSAGES_PER_SECOND
    start = time.monotonic_ns()
    for i in range(count):
        due = start + i * interval_ns
        while time.monotonic_ns() < due:
            time.sleep(0)
        send_one(_STAMP.pack(due))


def _take(receive_one: Callable[[], bytes], path: Path, count: int, warm_up: int) -> None:
    counters = Counters.create(path.with_suffix(".counters"), epoch=1, histograms=[HISTOGRAM])
    for i in range(count):
        frame = receive_one()
        now = time.monotonic_ns()
        if i >= warm_up:
            counters.observe(HISTOGRAM, now - _STAMP.unpack(frame)[0])


def _zmq_receiver(outcome: Connection, path: Path, count: int, warm_up: int) -> None:
    with zmq.Context() as context, context.socket(zmq.PULL) as pull:
        pull.set(zmq.RCVHWM, 0)
        pull.bind(bus.address(path))
        outcome.send("ready")
        _take(pull.recv, path, count, warm_up)
    outcome.send(0)


def _zmq_sender(path: Path, count: int) -> None:
    with zmq.Context() as context, context.socket(zmq.PUSH) as push:
        push.set(zmq.SNDHWM, 0)
        push.connect(bus.address(path))
        _paced(push.send, count)


def _unix_receiver(outcome: Connection, path: Path, count: int, warm_up: int) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(path))
        listener.listen(1)
        outcome.send("ready")
        connection = listener.accept()[0]
        with connection:
            _take(lambda: connection.recv(MESSAGE_BYTES), path, count, warm_up)
    outcome.send(0)


def _unix_sender(path: Path, count: int) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect(str(path))
        _paced(connection.send, count)


# -- processes and figures


def _start(target: Callable[..., None], *arguments: object) -> tuple[Any, Connection]:
    here, there = _SPAWN.Pipe(duplex=False)
    process = _SPAWN.Process(target=target, args=(there, *arguments), daemon=True)
    process.start()
    there.close()
    return process, here


def _finish(process: Any, outcome: Connection) -> float:
    if not outcome.poll(JOIN_SECONDS):
        process.kill()
        raise TimeoutError(f"the receiver did not finish in {JOIN_SECONDS} s")
    seconds = float(outcome.recv())
    process.join()
    return seconds


def _percentiles(path: Path) -> dict[str, int]:
    hop = Counters.attach(path).read(HISTOGRAM)
    return {
        "p50_ns": hop.percentile(50),
        "p99_ns": hop.percentile(99),
        "p999_ns": hop.percentile(99.9),
        "max_ns": hop.maximum,
    }


if __name__ == "__main__":
    json.dump(ring_hop(float(sys.argv[1]) if len(sys.argv) > 1 else 4.0), sys.stdout, indent=2)
    print()

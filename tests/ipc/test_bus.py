"""The bus: commands that are never carried out twice, heartbeats, and limits that are told in one line."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
import zmq

from ipc import bus
from ipc.bus import (
    BusError,
    BusTimeout,
    CommandClient,
    CommandServer,
    Handler,
    Heart,
    Heartbeat,
    Publisher,
    Request,
    Subscriber,
)

BEAT = Heartbeat(process="feed", pid=1, epoch=2, number=3, time_ns=4, state="running", progress=5)


@contextmanager
def serving(path: Path, handler: Handler) -> Iterator[CommandServer]:
    stop = threading.Event()
    with CommandServer(path) as server:

        def loop() -> None:
            while not stop.is_set():
                server.serve(handler, timeout_ms=5)

        thread = threading.Thread(target=loop)
        thread.start()
        try:
            yield server
        finally:
            stop.set()
            thread.join()


def test_command_is_answered_with_the_handlers_result(memory: Path) -> None:
    def handler(request: Request) -> bus.Value:
        return {"verb": request.verb, "arguments": dict(request.arguments)}

    with serving(memory / "commands", handler), CommandClient(memory / "commands") as client:
        assert client.ask("halt", reason="test", level=2) == {
            "verb": "halt",
            "arguments": {"reason": "test", "level": 2},
        }
        assert client.ask("status") == {"verb": "status", "arguments": {}}


def test_handlers_error_is_the_askers_and_serving_goes_on(memory: Path) -> None:
    def handler(request: Request) -> bus.Value:
        if request.verb == "fail":
            raise ValueError("level_pct is 120: at most 100")
        return "fine"

    with serving(memory / "commands", handler), CommandClient(memory / "commands") as client:
        with pytest.raises(BusError, match="fail: ValueError: level_pct is 120: at most 100"):
            client.ask("fail")
        assert client.ask("other") == "fine"


def test_retried_command_is_carried_out_once(memory: Path) -> None:
    seen: list[int] = []

    def slow(request: Request) -> bus.Value:
        seen.append(request.number)
        time.sleep(0.15)  # longer than the client's time-out, shorter than all its tries
        return len(seen)

    with (
        serving(memory / "commands", slow),
        CommandClient(memory / "commands", timeout_ms=40, retries=20) as client,
    ):
        assert client.ask("flatten") == 1
        assert client.ask("flatten") == 2  # late answers to the retries of the first are not taken for this one's
    assert seen == [1, 2]


def test_silence_ends_in_a_time_out_that_names_the_address(memory: Path) -> None:
    words = r"halt: no answer from ipc://.*nobody in 0.02 s"
    with CommandClient(memory / "nobody", timeout_ms=10, retries=1) as client, pytest.raises(BusTimeout, match=words):
        client.ask("halt")
    with pytest.raises(ValueError, match="timeout_ms is 0"):
        CommandClient(memory / "nobody", timeout_ms=0)


def test_rubbish_is_counted_and_harms_nobody(memory: Path) -> None:
    with serving(memory / "commands", lambda request: "fine") as server, CommandClient(memory / "commands") as client:
        client.socket.send(b"\xc1 rubbish")
        client.socket.send(msgspec.msgpack.encode({"client": "x", "number": 1, "verb": "halt", "unknown": 1}))
        assert client.ask("status") == "fine"
        assert server.rejected == 2


def test_heartbeats_of_several_processes_reach_the_one_that_binds(memory: Path) -> None:
    path = memory / "health"
    with Subscriber(path, Heartbeat, bind=True) as watcher, Publisher(path) as feed, Publisher(path) as gateway:
        got: set[str] = set()
        until = time.monotonic() + 20
        while got != {"feed", "gateway"} and time.monotonic() < until:
            feed.publish(BEAT)
            gateway.publish(msgspec.structs.replace(BEAT, process="gateway"))
            got |= {beat.process for beat in watcher.receive(timeout_ms=10)}
        assert got == {"feed", "gateway"}
        feed.socket.send(b"rubbish")
        while not watcher.rejected and time.monotonic() < until:
            watcher.receive(timeout_ms=10)
        assert watcher.rejected == 1


def test_a_heart_beats_once_an_interval_however_often_it_is_asked(memory: Path) -> None:
    with (
        Subscriber(memory / "health", Heartbeat, bind=True) as watcher,
        Heart(memory / "health", "risk", 2, 100) as heart,
    ):
        now_ns, until = 1_000, time.monotonic() + 20
        while not watcher.receive(timeout_ms=10) and time.monotonic() < until:  # until it is connected
            now_ns += 1_000
            heart.beat(now_ns, "starting", 0)
        first = now_ns + 1_000
        for moment in range(first, first + 250, 10):
            heart.beat(moment, "running", 7)
        got: list[Heartbeat] = []
        while len(got) < 3 and time.monotonic() < until:
            got += watcher.receive(timeout_ms=10)
        assert [beat.time_ns - first for beat in got] == [0, 100, 200]
        assert [beat.number - got[0].number for beat in got] == [0, 1, 2]
        assert {(beat.process, beat.epoch, beat.state, beat.progress) for beat in got} == {("risk", 2, "running", 7)}


def test_publisher_without_readers_never_waits(memory: Path) -> None:
    with Publisher(memory / "telemetry", bind=True) as publisher:
        for _ in range(3 * bus.HIGH_WATER_MARK):
            publisher.publish(BEAT)
    with Subscriber(memory / "telemetry", Heartbeat) as subscriber:
        assert subscriber.receive(timeout_ms=5) == []


def test_long_socket_path_is_refused_before_zeromq_sees_it(memory: Path) -> None:
    fits = memory / ("x" * (bus.SOCKET_PATH_BYTES - len(str(memory)) - 1))
    with CommandServer(fits):
        pass
    with pytest.raises(BusError, match="has 108 bytes, at most 107 are possible: choose a run directory"):
        CommandServer(fits.with_name(fits.name + "x"))


def test_bind_failure_is_one_clear_line(memory: Path) -> None:
    with pytest.raises(BusError, match="cannot bind ipc://"):
        CommandServer(memory / "absent" / "commands")


def test_every_socket_has_bounded_queues_and_does_not_linger(memory: Path) -> None:
    with (
        CommandServer(memory / "a") as server,
        CommandClient(memory / "a") as client,
        Publisher(memory / "b") as publisher,
    ):
        for endpoint in (server, client, publisher):
            assert endpoint.socket.get(zmq.LINGER) == 0
            assert endpoint.socket.get(zmq.SNDHWM) == endpoint.socket.get(zmq.RCVHWM) == bus.HIGH_WATER_MARK

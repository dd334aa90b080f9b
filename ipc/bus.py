"""The cold plane between processes: ZeroMQ over ipc:// in the run directory. Never market data.

    commands   DEALER (CommandClient)  <->  ROUTER (CommandServer)   ask, answer; bounded time-outs and retries
    health     PUB (Publisher, one a process)  ->  SUB that binds (Subscriber)   heartbeats
    telemetry  PUB that binds  ->  SUBs that connect

Everything travels as msgpack of frozen structs that refuse unknown fields. A request carries a number and its client's
own name; a server answers a repeated one from its memory of recent answers, so a retry never acts twice. Queues are
bounded, and nothing lingers when a socket closes.
"""

import os
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import msgspec
import zmq

HIGH_WATER_MARK = 1_000  # messages a socket queues; beyond, PUB drops and DEALER refuses
MAXIMUM_MESSAGE_BYTES = 1 << 20
ANSWERS_REMEMBERED = 1_024
SOCKET_PATH_BYTES = 107  # sockaddr_un.sun_path has 108, the last is NUL

Value = str | int | float | bool | list[Any] | dict[str, Any] | None


class BusError(Exception):
    """The bus cannot do what was asked: one line that says what, where and how to mend it."""


class BusTimeout(BusError):
    """No answer within the time and retries allowed. The command may or may not have been carried out."""


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A command: `verb` with named arguments. `client` and `number` together are its identity."""

    client: str
    number: int
    verb: str
    arguments: dict[str, Value] = {}


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The answer to request `number`: `result` when `ok`, else `error`, one line."""

    number: int
    ok: bool
    result: Value = None
    error: str = ""


class Heartbeat(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A process says that it lives and how far it is. `progress` grows with its work: alive but stuck is visible."""

    process: str
    pid: int
    epoch: int
    number: int
    time_ns: int  # this host's clock, UTC
    state: str
    progress: int


Handler = Callable[[Request], Value]
Struct = TypeVar("Struct", bound=msgspec.Struct)
_encode = msgspec.msgpack.Encoder().encode


def _now_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def address(path: str | os.PathLike[str]) -> str:
    """The ipc:// address of a socket path. Raises BusError when the path is longer than the kernel takes."""
    absolute = Path(path).absolute()
    length = len(os.fsencode(absolute))
    if length > SOCKET_PATH_BYTES:
        raise BusError(
            f"socket path {absolute} has {length} bytes, at most {SOCKET_PATH_BYTES} are possible: "
            "choose a run directory with a shorter path"
        )
    return f"ipc://{absolute}"


class _Endpoint:
    """A socket with bounded queues that does not linger, and its context manager."""

    def __init__(self, kind: int, path: str | os.PathLike[str], *, bind: bool) -> None:
        self.address = address(path)
        self.socket: zmq.Socket[bytes] = zmq.Context.instance().socket(kind)
        self.socket.set(zmq.LINGER, 0)
        self.socket.set(zmq.SNDHWM, HIGH_WATER_MARK)
        self.socket.set(zmq.RCVHWM, HIGH_WATER_MARK)
        self.socket.set(zmq.MAXMSGSIZE, MAXIMUM_MESSAGE_BYTES)
        try:
            if bind:
                self.socket.bind(self.address)
            else:
                self.socket.connect(self.address)
        except zmq.ZMQError as error:
            self.socket.close()
            raise BusError(f"cannot {'bind' if bind else 'connect to'} {self.address}: {error.strerror}") from None

    def close(self) -> None:
        self.socket.close(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class CommandServer(_Endpoint):
    """Answers commands, one at a time, on the thread that calls `serve`."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(zmq.ROUTER, path, bind=True)
        self._decoder = msgspec.msgpack.Decoder(Request)
        self._answers: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self.rejected = 0  # frames that were no request

    def serve(self, handler: Handler, timeout_ms: int = 0) -> int:
        """Waits up to timeout_ms for a first command, answers all that have come and returns how many.

        What `handler` returns is the result; what it raises becomes the answer's error, and serving goes on.
        """
        if not self.socket.poll(timeout_ms):
            return 0
        served = 0
        while served < HIGH_WATER_MARK and self.socket.poll(0):
            frames = self.socket.recv_multipart()
            served += 1
            reply = self._reply(frames[-1], handler)
            if reply is None:
                continue
            try:
                self.socket.send_multipart([*frames[:-1], reply], zmq.NOBLOCK)
            except zmq.ZMQError:
                self.rejected += 1  # the asker is gone or does not read; it may ask again by the same number
        return served

    def _reply(self, frame: bytes, handler: Handler) -> bytes | None:
        try:
            request = self._decoder.decode(frame)
        except msgspec.MsgspecError:
            self.rejected += 1
            return None
        identity = (request.client, request.number)
        if identity not in self._answers:
            self._answers[identity] = _carry_out(request, handler)
            if len(self._answers) > ANSWERS_REMEMBERED:
                self._answers.popitem(last=False)
        return self._answers[identity]


def _carry_out(request: Request, handler: Handler) -> bytes:
    try:
        return _encode(Answer(number=request.number, ok=True, result=handler(request)))
    except Exception as error:  # whatever it is, the asker is told and the server lives
        return _encode(Answer(number=request.number, ok=False, error=f"{type(error).__name__}: {error}"))


class CommandClient(_Endpoint):
    """Asks a CommandServer. One command at a time; safe to retry, for the server knows a repeated number."""

    def __init__(self, path: str | os.PathLike[str], *, timeout_ms: int = 1_000, retries: int = 2) -> None:
        if timeout_ms < 1 or retries < 0:
            raise ValueError(f"timeout_ms is {timeout_ms} and retries {retries}: at least 1 and 0 are needed")
        super().__init__(zmq.DEALER, path, bind=False)
        self._decoder = msgspec.msgpack.Decoder(Answer)
        self._client = secrets.token_hex(8)
        self._number = 0
        self._timeout_ms = timeout_ms
        self._retries = retries

    def ask(self, verb: str, **arguments: Value) -> Value:
        """The result of a command. Raises BusError with the server's words, or BusTimeout when none came."""
        self._number += 1
        frame = _encode(Request(client=self._client, number=self._number, verb=verb, arguments=arguments))
        for _ in range(1 + self._retries):
            try:
                self.socket.send(frame, zmq.NOBLOCK)
            except zmq.Again:
                raise BusTimeout(f"{verb}: nobody reads {self.address} and its queue is full") from None
            answer = self._await(self._number)
            if answer is not None:
                if not answer.ok:
                    raise BusError(f"{verb}: {answer.error}")
                return answer.result
        seconds = self._timeout_ms * (1 + self._retries) / 1e3
        raise BusTimeout(f"{verb}: no answer from {self.address} in {seconds:g} s: is the engine running?")

    def _await(self, number: int) -> Answer | None:
        remaining_ms = self._timeout_ms
        deadline = _now_ms() + remaining_ms
        while remaining_ms > 0 and self.socket.poll(remaining_ms):
            answer = self._decoder.decode(self.socket.recv())
            if answer.number == number:
                return answer
            remaining_ms = deadline - _now_ms()  # that one answered an earlier, abandoned command
        return None


class Publisher(_Endpoint):
    """Publishes structs; what no subscriber takes, or takes too slowly, is dropped and never waited for."""

    def __init__(self, path: str | os.PathLike[str], *, bind: bool = False) -> None:
        super().__init__(zmq.PUB, path, bind=bind)

    def publish(self, message: msgspec.Struct) -> None:
        self.socket.send(_encode(message), zmq.NOBLOCK)


class Heart(Publisher):
    """The heartbeats of one process: at most one an interval, however often it is asked for."""

    def __init__(self, path: str | os.PathLike[str], process: str, epoch: int, interval_ns: int = 250_000_000) -> None:
        super().__init__(path)
        self._process, self._epoch, self._interval_ns = process, epoch, interval_ns
        self._number, self._next_ns = 0, 0

    def beat(self, now_ns: int, state: str, progress: int) -> None:
        """now_ns: this host's clock, UTC."""
        if now_ns < self._next_ns:
            return
        self._next_ns, self._number = now_ns + self._interval_ns, self._number + 1
        self.publish(
            Heartbeat(
                process=self._process,
                pid=os.getpid(),
                epoch=self._epoch,
                number=self._number,
                time_ns=now_ns,
                state=state,
                progress=progress,
            )
        )


class Subscriber(_Endpoint, Generic[Struct]):
    """Receives the structs of one type; counts in `rejected` what was none."""

    def __init__(self, path: str | os.PathLike[str], kind: type[Struct], *, bind: bool = False) -> None:
        super().__init__(zmq.SUB, path, bind=bind)
        self.socket.set(zmq.SUBSCRIBE, b"")
        self._decoder = msgspec.msgpack.Decoder(kind)
        self.rejected = 0

    def receive(self, timeout_ms: int = 0) -> list[Struct]:
        """All that has come, waiting up to timeout_ms for the first; at most HIGH_WATER_MARK."""
        messages: list[Struct] = []
        if not self.socket.poll(timeout_ms):
            return messages
        while len(messages) < HIGH_WATER_MARK and self.socket.poll(0):
            try:
                messages.append(self._decoder.decode(self.socket.recv()))
            except msgspec.MsgspecError:
                self.rejected += 1
        return messages

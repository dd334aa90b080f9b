"""The order lane beside its references: the same text as msgspec's, the same mark as the record of attempts'."""

import asyncio
import logging
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import picows
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.gateway.attempts import HEADER_BYTES, AttemptRecord
from engine.gateway.config import GatewaySettings
from engine.gateway.halt import HaltWord
from engine.gateway.lane import OrderLane
from engine.gateway.order_message import read_order
from engine.gateway.order_params import cancel_params, order_params, replace_params
from engine.gateway.order_text import OrderText
from engine.gateway.orders import Order, Standing
from engine.gateway.rate_limit import RateLimits
from engine.gateway.symbols import Symbol
from engine.journal.status import JournalStatus
from ipc.doorbell import Doorbell
from ipc.instruments import instrument
from ipc.messages import Action, OrderType, Side, TimeInForce
from ipc.ring import Ring
from tests.engine.gateway.trader import RUN_ID, order_message

TABLE = np.concatenate(
    [
        instrument("BTCUSDT.BINANCE", "BTCUSDT", "0.01", "0.00001"),
        instrument("SHIBUSDT.BINANCE", "SHIBUSDT", "0.00000001", "1"),
        instrument("ODDUSDT.BINANCE", "ODDUSDT", "0.25", "10"),
    ]
)
WINDOW_MS, NOW_NS = 5_000, 1_790_000_000_123_456_789
METHODS = {Action.NEW: "order.place", Action.CANCEL: "order.cancel", Action.REPLACE: "order.cancelReplace"}


def reference_text(request_id: int, records: np.ndarray, timestamp_ms: int) -> bytes:
    """The request as the session makes it without the lane."""
    message = read_order(records)
    symbol = Symbol(message.instrument, TABLE[message.instrument])
    order = Order.of(message, symbol, f"{RUN_ID}-{message.order_id}", NOW_NS)
    target = Order.of(message, symbol, f"{RUN_ID}-{message.target_order_id}", NOW_NS)
    params: dict[str, Any] = {
        Action.NEW: lambda: order_params(message, order),
        Action.CANCEL: lambda: cancel_params(target),
        Action.REPLACE: lambda: replace_params(message, order, target),
    }[Action(message.action)]()
    params["recvWindow"], params["timestamp"] = WINDOW_MS, timestamp_ms
    return msgspec.json.encode({"id": request_id, "method": METHODS[Action(message.action)], "params": params})


@given(
    number=st.integers(1, 1 << 61),
    row=st.integers(0, len(TABLE) - 1),
    action=st.sampled_from([Action.NEW, Action.CANCEL, Action.REPLACE]),
    side=st.sampled_from([Side.BID, Side.ASK]),
    price_ticks=st.integers(0, 1 << 50),
    quantity_lots=st.integers(0, 1 << 50),
    order_type=st.sampled_from(OrderType),
    time_in_force=st.sampled_from(TimeInForce),
    request_id=st.integers(1, 1 << 61),
    timestamp_ms=st.integers(0, 1 << 44),
)
def test_text_of_any_order_is_the_reference_byte_for_byte(
    number: int, row: int, request_id: int, timestamp_ms: int, **fields: Any
) -> None:
    records = order_message(number, target=max(1, number - 1), **fields)
    records["instrument"] = row
    text = OrderText(TABLE, RUN_ID, WINDOW_MS)
    assert text.text_of(request_id, records, timestamp_ms) == reference_text(request_id, records, timestamp_ms)


@pytest.mark.parametrize(
    ("column", "value"),
    [("tick_exponent", -2), ("lot_exponent", -2), ("tick_mantissa", 0), ("lot_mantissa", 0), ("tick_exponent", 19)],
)
def test_order_in_units_that_no_table_should_have_is_left_to_the_slow_way(column: str, value: int) -> None:
    table = TABLE.copy()
    table[column] = value
    records = order_message(7, side=Side.BID, price_ticks=5, quantity_lots=5)
    assert OrderText(table, RUN_ID, WINDOW_MS).text_of(1, records, 0) == b""


@pytest.mark.parametrize(
    "fields",
    [
        {"action": Action.QUERY},
        {"order_type": 9},
        {"time_in_force": 9},
        {"price_ticks": -1},
        {"quantity_lots": -1},
        {"quantity_lots": 1 << 62},
    ],
)
def test_what_it_cannot_say_is_left_to_the_slow_way(fields: dict[str, Any]) -> None:
    records = order_message(7, side=Side.BID, **fields)
    records["instrument"] = 2  # a lot of 10: 2 ** 62 lots do not fit 64 bits
    assert OrderText(TABLE, RUN_ID, WINDOW_MS).text_of(1, records, 0) == b""


def test_an_instrument_beyond_the_table_is_left_to_the_slow_way() -> None:
    records = order_message(7, side=Side.BID)
    records["instrument"] = len(TABLE)
    assert OrderText(TABLE, RUN_ID, WINDOW_MS).text_of(1, records, 0) == b""


def test_a_run_id_that_no_client_id_can_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="run id of 65 bytes"):
        OrderText(TABLE, "x" * 65, WINDOW_MS)


class Wire:
    """A connection that has logged on, over a pair of sockets; `texts` is what has arrived at its far end."""

    plain = True
    clock_offset_ms = 0

    def __init__(self) -> None:
        self.near, self.far = socket.socketpair()
        self.far.setblocking(False)
        loop = asyncio.new_event_loop()
        make: Any = picows.WSTransport  # its stub does not tell how one is made
        self.transport = make(True, self, logging.getLogger(__name__), loop)
        loop.close()
        self.requests = 0

    def get_extra_info(self, name: str) -> Any:
        return self.near if name == "socket" else None

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: bytes) -> None:
        raise AssertionError("a socket pair takes it all")

    def take_id(self) -> int:
        self.requests += 1
        return self.requests

    def texts(self) -> list[dict[str, Any]]:
        """Frames of 126 to 65,535 bytes, which orders have."""
        found, raw = [], b""
        try:
            raw = self.far.recv(1 << 16)
        except BlockingIOError:
            return []
        while raw:
            size, mask, raw = int.from_bytes(raw[2:4], "big"), raw[4:8], raw[8:]
            found.append(msgspec.json.decode(bytes(byte ^ mask[i % 4] for i, byte in enumerate(raw[:size]))))
            raw = raw[size:]
        return found


@pytest.fixture
def wire() -> Iterator[Wire]:
    made = Wire()
    yield made
    made.near.close()
    made.far.close()


class Way:
    """A lane between an order ring of its own and `wire`; without one nothing is sent."""

    def __init__(self, folder: Path, wire: Wire | None = None, *, lossy: bool = False, **settings: Any) -> None:
        consumers = [] if lossy else ["gateway"]
        ring = Ring.create(folder / "orders.ring", 64, lossy=lossy, epoch=1, consumers=consumers)
        self.producer = ring.producer()
        self.attempts = AttemptRecord(folder / "attempts", 16)
        self.consumer = ring.consumer("gateway", 0, hold=True)
        self.halt, self.limits = HaltWord(folder / "halt", create=True), RateLimits(GatewaySettings(**settings))
        self.open_orders: dict[int, Order] = {}
        text = OrderText(TABLE, RUN_ID, WINDOW_MS)
        connection: Any = wire
        self.lane = OrderLane(self.consumer, self.attempts, self.halt, text, self.limits, connection, self.open_orders)

    def row(self, number: int) -> bytes:
        return bytes(self.attempts.words[number % 16 * 8 : number % 16 * 8 + 8])


def test_lane_marks_as_the_record_of_attempts_does(tmp_path: Path) -> None:
    way = Way(tmp_path)
    reference = AttemptRecord(tmp_path / "reference", 16)
    for number in range(1, 5):
        records = order_message(
            number,
            action=Action.REPLACE,
            side=Side.ASK,
            price_ticks=6_000_001,
            quantity_lots=77,
            order_type=OrderType.LIMIT_MAKER,
            time_in_force=TimeInForce.FOK,
            target=number + 40,
        )
        records["instrument"] = 4_000_000_000
        way.producer.send(records)
        assert way.lane.next() == number
        way.lane.mark(NOW_NS + number)
        reference.mark(read_order(way.lane.records()), NOW_NS + number)
        with pytest.raises(ValueError, match=f"order number {number} was attempted before"):
            way.lane.mark(NOW_NS)
        way.lane.done()
    assert way.lane.next() == 0
    written = (tmp_path / "attempts").read_bytes()
    assert written[HEADER_BYTES:] == (tmp_path / "reference").read_bytes()[HEADER_BYTES:]


def test_row_of_an_unfinished_order_is_not_taken(tmp_path: Path) -> None:
    way = Way(tmp_path)
    way.producer.send(order_message(1, side=Side.BID))
    assert way.lane.next() == 1
    way.lane.mark(NOW_NS)
    way.lane.done()
    way.producer.send(order_message(17, side=Side.BID))
    assert way.lane.next() == 17
    assert not way.lane.has_room(17)
    with pytest.raises(ValueError, match="the row of 1 is not finished"):
        way.lane.mark(NOW_NS)
    way.attempts.mark_finished(1)
    assert way.lane.has_room(17)


def test_without_a_connection_nothing_passes_and_nothing_is_marked(tmp_path: Path) -> None:
    way = Way(tmp_path)
    way.producer.send(order_message(1, side=Side.BID, quantity_lots=1))
    assert way.lane.pass_on(0, 1 << 62, NOW_NS) == 0
    assert way.lane.next() == 1
    assert way.attempts.last_number() == 0


def client_ids(wire: Wire) -> list[str]:
    return [text["params"]["newClientOrderId"] for text in wire.texts()]


def test_orders_pass_in_their_order_up_to_the_last_durable_one(tmp_path: Path, wire: Wire) -> None:
    way = Way(tmp_path, wire)
    for number in range(1, 5):
        way.producer.send(order_message(number, quantity_lots=1, price_ticks=1))
    assert way.lane.pass_on(0, 3, time.time_ns()) == 3
    assert client_ids(wire) == [f"{RUN_ID}-{number}" for number in (1, 2, 3)]
    assert [(int(records[0]["order_id"]), request) for records, request, _ in way.lane.sent()] == [
        (1, 1),
        (2, 2),
        (3, 3),
    ]
    assert (way.attempts.last_number(), way.lane.next()) == (3, 4)
    assert way.lane.pass_on(3, 4, time.time_ns()) == 1
    assert client_ids(wire) == [f"{RUN_ID}-4"]


def test_halt_stops_new_orders_and_replacements_and_no_cancels(tmp_path: Path, wire: Wire) -> None:
    way = Way(tmp_path, wire)
    symbol = Symbol(0, TABLE[0])
    way.open_orders[1] = Order(1, symbol, Side.BID, 1, NOW_NS, f"{RUN_ID}-1", standing=Standing.LIVE)
    way.producer.send(order_message(2, action=Action.CANCEL, target=1))
    way.producer.send(order_message(3, action=Action.REPLACE, target=1, quantity_lots=1))
    way.halt.set(1)
    assert way.lane.pass_on(1, 9, time.time_ns()) == 1
    assert [text["method"] for text in wire.texts()] == ["order.cancel"]
    assert way.attempts.last_number() == 2


@pytest.mark.parametrize("standing", [Standing.DOUBT, Standing.FINISHED, None])
def test_change_of_an_order_that_is_not_surely_open_is_left_to_the_slow_way(
    tmp_path: Path, wire: Wire, standing: Standing | None
) -> None:
    way = Way(tmp_path, wire)
    if standing is not None:
        way.open_orders[1] = Order(1, Symbol(0, TABLE[0]), Side.BID, 1, NOW_NS, f"{RUN_ID}-1", standing=standing)
    way.producer.send(order_message(2, action=Action.CANCEL, target=1))
    assert way.lane.pass_on(1, 9, time.time_ns()) == 0
    assert (wire.texts(), way.attempts.last_number()) == ([], 0)


def test_cancel_that_names_another_instrument_than_its_target_is_left_to_the_slow_way(
    tmp_path: Path, wire: Wire
) -> None:
    way = Way(tmp_path, wire)
    way.open_orders[1] = Order(1, Symbol(0, TABLE[0]), Side.BID, 1, NOW_NS, f"{RUN_ID}-1", standing=Standing.LIVE)
    cancel = order_message(2, action=Action.CANCEL, target=1)
    cancel["instrument"] = 1
    way.producer.send(cancel)
    assert way.lane.pass_on(1, 9, time.time_ns()) == 0
    assert wire.texts() == []


def test_limit_holds_although_the_look_at_the_ring_was_in_an_earlier_interval(tmp_path: Path, wire: Wire) -> None:
    """A gateway that was held up between its look and the send, by a full reports ring for one."""
    way = Way(tmp_path, wire, orders_per_day=2)
    for number in range(1, 5):
        way.producer.send(order_message(number, quantity_lots=1, price_ticks=1))
    assert way.lane.pass_on(0, 9, time.time_ns() - 3 * 86_400_000_000_000) == 2


def test_order_that_waits_for_the_disk_is_not_slept_through_when_it_is_there_already(tmp_path: Path) -> None:
    way = Way(tmp_path)
    status = JournalStatus(tmp_path / "journal.status", create=True)
    way.lane.follow(status.counters)
    way.producer.send(order_message(1, side=Side.BID, quantity_lots=1))
    assert way.lane.next() == 1
    bell = Doorbell(tmp_path / "gateway.bell")
    started_s = time.monotonic()
    assert way.lane.wait(bell, -1, 50_000_000, 0, 0) == 0
    assert time.monotonic() - started_s > 0.04  # not on disk: it slept to the end
    status.set_durable(2, 1)  # with nobody asleep to be woken
    started_s = time.monotonic()
    assert way.lane.wait(bell, -1, 5_000_000_000, 0, 0) == 0
    assert time.monotonic() - started_s < 2.5


def test_overrun_is_told_also_when_passing_on_finds_it(tmp_path: Path) -> None:
    way = Way(tmp_path, lossy=True)
    for number in range(1, 41):
        way.producer.send(order_message(number, side=Side.BID))
    assert way.lane.pass_on(0, 99, NOW_NS) == 0
    assert way.lane.lost == 16
    assert way.lane.next() == 9

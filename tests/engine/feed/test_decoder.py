"""Frame by frame: what the decoder makes of Binance's streams, and what it refuses."""

import ctypes
import gzip
import json
import mmap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.feed.binance import make_instrument
from engine.feed.decoder import Decoder
from engine.feed.reference import ReferenceDecoder
from ipc.instruments import Contract
from ipc.messages import Flag, Kind, Refusal, Side
from tests.engine.feed.frames import (
    PERP_ROW,
    RECEIVED_NS,
    SPOT_ROW,
    envelope,
    instruments,
    perp_diff,
    snapshot,
    spot_diff,
)

TRADE = {
    "e": "trade",
    "E": 1723161255343,
    "s": "BTCUSDT",
    "t": 3735683259,
    "p": "61837.63",
    "q": "0.02000000",
    "m": True,
}
QUOTE = {"u": 50093239212, "s": "BTCUSDT", "b": "61837.63000000", "B": "3.78826000", "a": "61837.64000000", "A": "1.5"}
MARK = {
    "e": "markPriceUpdate",
    "E": 1562305380000,
    "s": "BTCUSDT",
    "p": "11794.15000000",
    "r": "-0.00038167",
    "T": 1562306400000,
}


@pytest.fixture
def spot() -> Decoder:
    return Decoder(instruments(), Contract.SPOT)


@pytest.fixture
def perp() -> Decoder:
    return Decoder(instruments(), Contract.LINEAR)


def refusal(decoder: Decoder, frame: bytes, instrument: int = -1) -> Refusal:
    seen, records = decoder.decode(frame, RECEIVED_NS, instrument)
    assert len(records) == 0 or seen.refusal == 0
    return Refusal(seen.refusal)


def test_a_spot_diff_becomes_levels_in_ticks_and_lots_the_last_marked(spot: Decoder) -> None:
    frame = spot_diff(7, 9, [("61737.63000000", "0.00000000"), ("1.5", "25.426189")], [("61837.64", "1.54698000")])
    seen, records = spot.decode(frame, RECEIVED_NS)
    assert (seen.instrument, seen.first_update_id, seen.last_update_id, seen.records) == (SPOT_ROW, 7, 9, 3)
    assert records["price_ticks"].tolist() == [6173763, 150, 6183764]
    assert records["quantity_lots"].tolist() == [0, 25426189, 1546980]
    assert records["side"].tolist() == [Side.BID, Side.BID, Side.ASK]
    assert (records["flags"] & Flag.LAST).tolist() == [0, 0, Flag.LAST]
    assert set(records["order_id"].tolist()) == {9}
    assert set(records["event_time_ns"].tolist()) == {1_723_161_255_208_000_000}
    assert set(records["receive_time_ns"].tolist()) == {RECEIVED_NS}


def test_a_futures_diff_keeps_the_previous_update_id(perp: Decoder) -> None:
    seen, records = perp.decode(perp_diff(20, 25, 17), RECEIVED_NS)
    assert (seen.instrument, seen.previous_update_id) == (PERP_ROW, 17)
    assert records[0]["price_ticks"] == 1000


def test_a_diff_without_levels_still_carries_its_update_id_as_a_deletion_that_deletes_nothing(spot: Decoder) -> None:
    _, records = spot.decode(spot_diff(7, 9, [], []), RECEIVED_NS)
    assert records[["kind", "price_ticks", "quantity_lots", "order_id"]].tolist() == [(Kind.LEVEL, 0, 0, 9)]
    assert records[0]["flags"] & Flag.LAST


def test_a_snapshot_takes_the_row_it_was_asked_for_and_refuses_another_symbols(spot: Decoder) -> None:
    seen, records = spot.decode(snapshot(50), RECEIVED_NS, SPOT_ROW)
    assert (seen.last_update_id, seen.instrument, len(records)) == (50, SPOT_ROW, 3)
    assert all(records["flags"] & Flag.SNAPSHOT)
    assert refusal(spot, snapshot(50)) == Refusal.FRAME_UNKNOWN_SYMBOL
    named = json.dumps({**json.loads(snapshot(50)), "symbol": "ETHUSDT"}).encode()
    assert refusal(spot, named, SPOT_ROW) == Refusal.FRAME_UNKNOWN_SYMBOL


@pytest.mark.parametrize(("buyer_is_maker", "side"), [(True, Side.ASK), (False, Side.BID)])
def test_a_trades_side_is_the_one_that_took(spot: Decoder, buyer_is_maker: bool, side: Side) -> None:
    _, records = spot.decode(envelope({**TRADE, "m": buyer_is_maker}), RECEIVED_NS)
    assert records[["kind", "side", "order_id"]].tolist() == [(Kind.TRADE, side, 3735683259)]


def test_an_aggregate_trade_is_named_by_its_own_id(spot: Decoder) -> None:
    _, records = spot.decode(envelope({**TRADE, "e": "aggTrade", "a": 26129, "f": 1, "l": 2}), RECEIVED_NS)
    assert records[0]["order_id"] == 26129


def test_the_best_bid_and_offer_are_one_message_of_two_records(spot: Decoder) -> None:
    _, records = spot.decode(envelope(QUOTE), RECEIVED_NS)
    assert records["price_ticks"].tolist() == [6183763, 6183764]
    assert (records["flags"] & (Flag.MORE | Flag.QUOTE_SIDE)).tolist() == [Flag.MORE, Flag.QUOTE_SIDE]
    assert records["event_time_ns"].tolist() == [0, 0]  # the spot stream gives no time


def test_the_mark_price_goes_to_the_nearest_tick_and_the_rate_stays_exact(perp: Decoder) -> None:
    _, records = perp.decode(envelope(MARK), RECEIVED_NS)
    assert records[["price_ticks", "extra", "quantity_lots"]].tolist() == [(117942, -38167, 1562306400000000000)]


def test_keys_in_any_order_and_unknown_keys_give_the_same_records(spot: Decoder) -> None:
    data = json.loads(spot_diff(7, 9, [("100.00", "1"), ("99", "2")], [("101.00", "3")]))["data"]
    backwards = {"x": {"b": [1, None, "]"], "s": "ETHUSDT"}, **dict(reversed(data.items())), "later": '\\"}]'}
    expected = spot.decode(envelope(data), RECEIVED_NS)[1]
    bare = json.dumps(backwards, indent=2).encode()
    for frame in (envelope(backwards), bare):
        seen, records = spot.decode(frame, RECEIVED_NS)
        assert seen.refusal == 0
        np.testing.assert_array_equal(records, expected)


@pytest.mark.parametrize(
    ("price", "code"),
    [
        ("100.001", Refusal.DECIMAL_INEXACT),
        ("12345678901234567.00", Refusal.DECIMAL_INEXACT),
        ("100.0100000000000000000000000", Refusal.NONE),
        ("1e3", Refusal.FRAME_MALFORMED),
        ("-1.00", Refusal.FRAME_MALFORMED),
        (".5", Refusal.FRAME_MALFORMED),
        ("5.", Refusal.FRAME_MALFORMED),
        ("", Refusal.FRAME_MALFORMED),
        ("NaN", Refusal.FRAME_MALFORMED),
    ],
)
def test_a_price_is_exact_or_the_frame_is_refused(spot: Decoder, price: str, code: Refusal) -> None:
    assert refusal(spot, spot_diff(1, 2, [(price, "1")])) == code


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b'{"a":1}}',
        b'{"a":01}',
        b'{"a":"\x01"}',
        b'{"e":"trade","e":"trade"}',
        spot_diff(1, 2)[:-1],
        spot_diff(1, 2).replace(b'"u":2', b'"u":2.5'),
        spot_diff(1, 2).replace(b'"u":2', b'"u":-2'),
        spot_diff(1, 2).replace(b'"u":2', b'"u":9999999999999999999'),
        spot_diff(1, 2).replace(b'"U":1,', b""),
        spot_diff(1, 2).replace(b'"a":[]', b'"a":{}'),
        spot_diff(1, 2).replace(b'"1.5"', b"1.5"),
        envelope({key: value for key, value in TRADE.items() if key != "m"}),
        b'{"x":' + b"[" * 40 + b"]" * 40 + b"}",
    ],
)
def test_a_malformed_frame_is_refused_whole(spot: Decoder, frame: bytes) -> None:
    assert refusal(spot, frame) == Refusal.FRAME_MALFORMED


def test_a_malformed_frame_names_its_byte(spot: Decoder) -> None:
    frame = spot_diff(1, 2).replace(b'"1.5"]', b'"1.5";')
    assert spot.decode(frame, RECEIVED_NS)[0].offset == frame.index(b";")
    frame = spot_diff(1, 2, [("1.001", "1")])
    assert spot.decode(frame, RECEIVED_NS)[0].offset == frame.index(b'1.001"') + len('1.001"')


def test_other_streams_other_symbols_and_other_markets_are_refused_by_name(spot: Decoder) -> None:
    assert refusal(spot, envelope({"e": "kline", "s": "BTCUSDT"})) == Refusal.FRAME_UNKNOWN_STREAM
    assert refusal(spot, b'{"result":null,"id":1}') == Refusal.FRAME_UNKNOWN_STREAM
    assert refusal(spot, spot_diff(1, 2).replace(b"BTCUSDT", b"XRPUSDT")) == Refusal.FRAME_UNKNOWN_SYMBOL
    assert refusal(spot, spot_diff(1, 2).replace(b"BTCUSDT", b"BTCUSD_PERP")) == Refusal.FRAME_UNKNOWN_SYMBOL


def test_too_many_bytes_or_too_many_levels_are_too_large() -> None:
    small = Decoder(instruments(), Contract.SPOT, max_frame_bytes=300, capacity=2)
    assert refusal(small, spot_diff(1, 2, [("1", "1")] * 2)) == Refusal.NONE
    assert refusal(small, spot_diff(1, 2, [("1", "1")] * 3)) == Refusal.FRAME_TOO_LARGE
    assert refusal(small, spot_diff(1, 2) + b" " * 300) == Refusal.FRAME_TOO_LARGE


@pytest.fixture
def guarded() -> Any:
    """Places bytes right before a page that may not be read: a read past the end ends the test run."""
    page = mmap.PAGESIZE
    memory = mmap.mmap(-1, 2 * page)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mprotect(ctypes.c_void_p(address + page), ctypes.c_size_t(page), mmap.PROT_READ & 0) == 0

    def place(frame: bytes) -> memoryview:
        memory[page - len(frame) : page] = frame
        return memoryview(memory)[page - len(frame) : page]

    yield place
    libc.mprotect(ctypes.c_void_p(address + page), ctypes.c_size_t(page), mmap.PROT_READ | mmap.PROT_WRITE)


@pytest.mark.parametrize("frame", [spot_diff(1, 2, [("1.25", "1")], [("2", "3")]), envelope(QUOTE), envelope(TRADE)])
def test_a_frame_cut_anywhere_is_refused_and_never_read_past_its_end(spot: Decoder, guarded: Any, frame: bytes) -> None:
    assert spot.decode(guarded(frame), RECEIVED_NS)[0].refusal == 0
    for size in range(len(frame)):
        assert spot.decode(guarded(frame[:size]), RECEIVED_NS)[0].refusal == Refusal.FRAME_MALFORMED


@pytest.mark.parametrize("name", ["spot_btcusdt", "usdm_ethusdt", "cm_btcusd_perp"])
def test_recorded_frames_decode_as_the_reference_does(data: Path, name: str) -> None:
    market, _, symbol = name.partition("_")
    table = make_instrument(market, symbol.upper())
    fast = Decoder(table, int(table[0]["contract"]))
    slow = ReferenceDecoder(table, int(table[0]["contract"]))
    with gzip.open(data / "binance_ws" / f"{name}_20240808.gz") as stream:
        for _, line in zip(range(1500), stream, strict=False):
            received, _, frame = line.rstrip().partition(b" ")
            seen, records = fast.decode(frame, int(received), 0)
            expected, expected_records = slow.decode(frame, int(received), 0)
            assert seen == expected
            np.testing.assert_array_equal(records, expected_records)


def test_an_instrument_table_that_cannot_be_served_is_refused_at_once() -> None:
    table = instruments()
    table[0]["tick_exponent"] = 40
    with pytest.raises(ValueError, match="12 decimals"):
        Decoder(table, Contract.SPOT)
    twice = np.concatenate([instruments(), instruments()])
    with pytest.raises(ValueError, match="twice"):
        Decoder(twice, Contract.SPOT)

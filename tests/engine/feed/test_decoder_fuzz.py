"""The fast decoder and the reference agree on frames of any shape: valid, shuffled, spoilt, cut."""

import json
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.feed.decoder import Decoder
from engine.feed.reference import Reader, ReferenceDecoder, Refused
from ipc.instruments import Contract
from tests.engine.feed.frames import RECEIVED_NS, instruments

CONTRACTS = (Contract.SPOT, Contract.LINEAR, Contract.INVERSE)
FAST = {contract: Decoder(instruments(), contract, max_frame_bytes=2_000, capacity=12) for contract in CONTRACTS}
SLOW = {
    contract: ReferenceDecoder(instruments(), contract, max_frame_bytes=2_000, capacity=12) for contract in CONTRACTS
}

DECIMALS = st.one_of(
    st.from_regex(r"[0-9]{1,6}(\.[0-9]{1,3}0{0,6})?", fullmatch=True),
    st.from_regex(r"-?[0-9]{0,20}(\.[0-9]{0,20})?", fullmatch=True),
    st.sampled_from(["0", "100.00", "1e3", "", " 1", "61737.63000000"]),
)
IDS = st.one_of(st.integers(0, 50), st.integers(10**17, 10**19), st.sampled_from([-1, 1.5, None, "7"]))
LEVEL = st.one_of(
    st.tuples(DECIMALS, DECIMALS).map(list),
    st.lists(st.one_of(DECIMALS, st.just([]), st.integers()), max_size=4),
)
SIDE = st.one_of(
    st.lists(st.tuples(DECIMALS, DECIMALS).map(list), max_size=8), st.lists(LEVEL, max_size=3), DECIMALS, IDS
)
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=4)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=6,
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "e": st.sampled_from(["depthUpdate", "trade", "aggTrade", "bookTicker", "markPriceUpdate", "kline", 3]),
    "E": st.one_of(st.integers(0, 2 * 10**12), st.sampled_from([9_223_372_036_854, 9_223_372_036_855, "1"])),
    "T": st.one_of(st.integers(0, 2 * 10**12), IDS),
    "s": st.sampled_from(["BTCUSDT", "BTCUSD_PERP", "ETHUSDT", 5]),
    "symbol": st.sampled_from(["BTCUSDT", "BTCUSD_PERP", "ETHUSDT"]),
    **dict.fromkeys(("u", "U", "pu", "t", "lastUpdateId"), IDS),
    **dict.fromkeys(("b", "a", "bids", "asks"), SIDE),
    **dict.fromkeys(("B", "A", "p", "q", "r"), DECIMALS),
    "m": st.sampled_from([True, False, None, "true"]),
    "x": ANYTHING,
}
GOOD_DECIMALS = st.from_regex(r"[0-9]{1,6}(\.[0-9]0{0,6})?", fullmatch=True)
GOOD_SIDE = st.lists(st.tuples(GOOD_DECIMALS, GOOD_DECIMALS).map(list), max_size=5)
GOOD: dict[str, st.SearchStrategy[Any]] = {
    **VALUES,
    "E": st.integers(0, 2 * 10**12),
    "T": st.integers(0, 2 * 10**12),
    "s": st.sampled_from(["BTCUSDT", "BTCUSDT", "BTCUSD_PERP"]),
    **dict.fromkeys(("u", "U", "pu", "t", "lastUpdateId"), st.integers(0, 10**18 - 1)),
    **dict.fromkeys(("b", "a", "bids", "asks"), GOOD_SIDE),
    **dict.fromkeys(("B", "A", "p", "q"), GOOD_DECIMALS),
    "r": st.from_regex(r"-?0\.000[0-9]{1,5}|", fullmatch=True),
    "m": st.booleans(),
}
TEMPLATES = st.sampled_from(
    [
        "eEsUuba",
        "eEsUuXba",
        "eEstpqm",
        "eEsapqm",
        "usbBaA",
        "eEspTr",
        "LBA",
        "LSBA",
        "eEsUu",
        "".join("eEsuUbaBApqtmrT"),
    ]
)
LONG_NAMES = {"X": "pu", "L": "lastUpdateId", "S": "symbol"}


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """An event from a template, whole or with one or two values or keys that do not belong there."""
    template = draw(TEMPLATES)
    keys = [LONG_NAMES.get(key, key) for key in template]
    if template.startswith("L"):
        keys = [{"B": "bids", "A": "asks"}.get(key, key) for key in keys]
    odd = set(draw(st.lists(st.sampled_from(keys), max_size=2))) if draw(st.booleans()) else set()
    good = dict(GOOD)
    if len(template) == 7 and template.startswith("e") and "p" in template:
        good["e"] = st.just("trade" if "t" in template else "aggTrade")
        good["a"] = GOOD["u"]
    elif template.endswith("Tr"):
        good["e"] = st.just("markPriceUpdate")
    elif "ba" in template:
        good["e"] = st.just("depthUpdate")
    elif template == "usbBaA":
        good["a"] = good["b"] = GOOD_DECIMALS
    if draw(st.booleans()) and odd:
        keys += draw(st.lists(st.sampled_from(sorted(VALUES)), max_size=2))
    keys = draw(st.permutations(keys)) if draw(st.booleans()) else keys
    members = [f"{json.dumps(key)}:{json.dumps(draw((VALUES if key in odd else good)[key]))}" for key in keys]
    event = "{" + ",".join(members) + "}"
    shape = draw(st.sampled_from(["%s", '{"stream":"x","data":%s}', '{"data":%s,"u":1}', ' { "data" : %s }\n']))
    return (shape % event).encode()


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    frame = bytearray(draw(frames()))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(0, len(frame) - 1)))
        match draw(st.sampled_from(["cut", "put", "replace", "drop"])):
            case "cut":
                del frame[at:]
            case "put":
                frame[at:at] = draw(
                    st.sampled_from([b'"', b"}", b"]", b",", b"\\", b"\xff", b"0", b'"b":[],', b"\x00"])
                )
            case "replace":
                frame[at : at + 1] = bytes([draw(st.integers(0, 255))])
            case _:
                del frame[at : at + 1]
    return bytes(frame)


def same(frame: bytes, contract: int, instrument: int) -> None:
    seen, records = FAST[contract].decode(frame, RECEIVED_NS, instrument)
    expected, expected_records = SLOW[contract].decode(frame, RECEIVED_NS, instrument)
    if expected.refusal:
        assert (seen.refusal, seen.type) == (expected.refusal, expected.type)
        assert 0 <= seen.offset <= len(frame)
    else:
        assert seen == expected
    np.testing.assert_array_equal(records, expected_records)


@settings(max_examples=600, deadline=None)
@given(frames(), st.sampled_from(CONTRACTS), st.sampled_from([-1, 0, 1, 2, 7]))
def test_both_agree_on_frames_of_any_shape(frame: bytes, contract: int, instrument: int) -> None:
    same(frame, contract, instrument)


@settings(max_examples=600, deadline=None)
@given(spoilt(), st.sampled_from(CONTRACTS), st.sampled_from([-1, 0, 1, 2]))
def test_both_agree_on_spoilt_and_cut_frames(frame: bytes, contract: int, instrument: int) -> None:
    same(frame, contract, instrument)


@settings(max_examples=300, deadline=None)
@given(st.one_of(frames(), spoilt(), st.binary(max_size=40)))
def test_the_references_reader_takes_what_the_standard_librarys_takes(frame: bytes) -> None:
    text = frame.decode("latin-1")
    try:
        json.loads(text, parse_constant=lambda name: 1 / 0)
        taken = True
    except (ValueError, ZeroDivisionError):
        taken = False
    try:
        Reader(text).whole()
    except Refused:
        assert not taken
    else:
        assert taken

"""The decoder's rules, slow and obvious: what engine/feed/decoder.pyx must agree with on any bytes whatever.

It has a small JSON reader of its own, because the rules speak of keys given twice and of strings as they stand in the
frame, which the standard library's reader does not show. The tests hold this reader against the standard library's.
"""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from engine.feed.decoder import DecodedFrame
from ipc.instruments import Contract
from ipc.messages import SOURCE_SHIFT, Flag, Kind, Refusal, Side, Source, messages

DEPTH, SNAPSHOT, TRADE, QUOTE, FUNDING = 1, 2, 3, 4, 5
TYPES = {
    '"depthUpdate"': DEPTH,
    '"trade"': TRADE,
    '"aggTrade"': TRADE,
    '"bookTicker"': QUOTE,
    '"markPriceUpdate"': FUNDING,
}
KNOWN_KEYS = frozenset([*"eEsuUbaBApqtmrT", "pu", "lastUpdateId", "bids", "asks", "symbol", "data"])
NESTING_LIMIT = 32
DIGIT_LIMIT = 18
ID_LIMIT = 10**18
TIME_LIMIT_MS = 9_223_372_036_854

SPACE = re.compile(r"[ \t\r\n]*")
STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
SCALAR = re.compile(STRING.pattern + r"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null")
DECIMAL = re.compile(r'"([0-9]+)(?:\.([0-9]+))?"')
RATE = re.compile(r'"(-?)([0-9]+(?:\.[0-9]+)?)"')

Object = dict[str, Any]
Array = np.ndarray[Any, Any]


class Refused(Exception):
    """A frame that is not taken."""

    def __init__(self, code: Refusal) -> None:
        super().__init__(code.name)
        self.code = code


MALFORMED = Refusal.FRAME_MALFORMED


# -- JSON ------------------------------------------------------------------------------------------------------------


class Reader:
    """Scalars as the text that stands there, arrays as lists, objects as tuples of (key, value)."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def whole(self) -> Any:
        value = self.value()
        self.skip(SPACE)
        if self.at != len(self.text):
            raise Refused(MALFORMED)
        return value

    def skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise Refused(MALFORMED)
        self.at = match.end()
        return match[0]

    def sees(self, mark: str) -> bool:
        """Whether `mark` comes next; then it is taken."""
        self.skip(SPACE)
        found = self.text.startswith(mark, self.at)
        self.at += len(mark) if found else 0
        return found

    def value(self) -> Any:
        if self.sees("{"):
            return tuple(self.pair() for _ in self.until("}"))
        if self.sees("["):
            return [self.value() for _ in self.until("]")]
        return self.skip(SCALAR)

    def pair(self) -> tuple[str, Any]:
        self.skip(SPACE)
        key = self.skip(STRING)[1:-1]
        if not self.sees(":"):
            raise Refused(MALFORMED)
        return key, self.value()

    def until(self, end: str) -> Iterator[None]:
        if self.sees(end):
            return
        while True:
            yield
            if self.sees(end):
                return
            if not self.sees(","):
                raise Refused(MALFORMED)


def nesting(value: Any) -> int:
    """Brackets within brackets."""
    if isinstance(value, str):
        return 0
    children = [child for _, child in value] if isinstance(value, tuple) else value
    return 1 + max(map(nesting, children), default=0)


def fields(pairs: tuple[tuple[str, Any], ...], outer: bool) -> Object:
    """An object's pairs as a dict. A known key twice is refused: which one is meant?"""
    known = [key for key, _ in pairs if key in KNOWN_KEYS]
    if len(known) != len(set(known)):
        raise Refused(MALFORMED)
    for key, value in pairs:
        if not (outer and key == "data" and isinstance(value, tuple)) and nesting(value) > NESTING_LIMIT:
            raise Refused(MALFORMED)
    return dict(pairs)


def read_event(frame: bytes) -> Object:
    """The event: what stands under "data" if that is an object, else the frame itself."""
    try:
        whole = Reader(frame.decode("latin-1")).whole()
        if not isinstance(whole, tuple):
            raise Refused(MALFORMED)
        outer = fields(whole, outer=True)
        data = outer.get("data")
        return fields(data, outer=False) if isinstance(data, tuple) else outer
    except RecursionError:
        raise Refused(MALFORMED) from None


# -- values ----------------------------------------------------------------------------------------------------------


def integer(event: Object, key: str, limit: int = ID_LIMIT) -> int:
    text = event.get(key)
    if not isinstance(text, str) or not re.fullmatch("[0-9]{1,18}", text) or int(text) > limit:
        raise Refused(MALFORMED)
    return int(text)


def units(text: Any, mantissa: int, exponent: int) -> int:
    """Whole number of mantissa * 10**-exponent in a quoted decimal."""
    match = DECIMAL.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise Refused(MALFORMED)
    whole, fraction = match[1], match[2] or ""
    scaled: int = int(whole + fraction) * 10**exponent
    unit: int = mantissa * 10 ** len(fraction)
    value, rest = divmod(scaled, unit)
    if rest or len(whole) + exponent > DIGIT_LIMIT:
        raise Refused(Refusal.DECIMAL_INEXACT)
    return value


# -- frames ----------------------------------------------------------------------------------------------------------


class ReferenceDecoder:
    """As engine.feed.decoder.Decoder, without its offsets."""

    def __init__(
        self, instruments: Array, contract: int, *, max_frame_bytes: int = 1 << 20, capacity: int = 10_240
    ) -> None:
        self.instruments, self.contract = instruments, contract
        self.max_frame_bytes, self.capacity = max_frame_bytes, capacity
        self.rows = {
            f'"{row["symbol"].decode()}"': i for i, row in enumerate(instruments) if row["contract"] == contract
        }

    def decode(self, frame: bytes, receive_time_ns: int, instrument: int = -1) -> tuple[DecodedFrame, Array]:
        self.seen = DecodedFrame(0, -1, 0, 0, -1, 0, 0, 0, 0)
        self.receive_time_ns = receive_time_ns
        self.records: list[dict[str, int]] = []
        try:
            if len(frame) > self.max_frame_bytes:
                raise Refused(Refusal.FRAME_TOO_LARGE)
            self._take(read_event(frame), instrument)
        except Refused as refused:
            return self.seen._replace(refusal=int(refused.code)), messages(0)
        records = messages(len(self.records))
        for record, values in zip(records, self.records, strict=True):
            for name, value in values.items():
                record[name] = value
        return self.seen._replace(records=len(records)), records

    def _take(self, event: Object, instrument: int) -> None:
        kind = SNAPSHOT if "lastUpdateId" in event else self._named_type(event)
        self.seen = self.seen._replace(type=kind)
        if kind == 0:
            raise Refused(Refusal.FRAME_UNKNOWN_STREAM)
        row = self.rows.get(str(event.get("s")), -1)
        if kind == SNAPSHOT:
            row = self._snapshot_row(event, instrument)
        if row < 0:
            raise Refused(Refusal.FRAME_UNKNOWN_SYMBOL)
        self.entry = self.instruments[row]
        self.seen = self.seen._replace(instrument=row)
        if "E" in event:
            self.seen = self.seen._replace(event_time_ns=integer(event, "E", TIME_LIMIT_MS) * 1_000_000)
        {DEPTH: self._depth, SNAPSHOT: self._snapshot, TRADE: self._trade, QUOTE: self._quote, FUNDING: self._funding}[
            kind
        ](event)

    def _named_type(self, event: Object) -> int:
        if "e" in event:
            return TYPES.get(str(event["e"]), 0)
        return QUOTE if "u" in event and "B" in event else 0

    def _snapshot_row(self, event: Object, instrument: int) -> int:
        hinted = instrument if instrument in self.rows.values() else -1
        if "symbol" not in event:
            return hinted
        named = self.rows.get(str(event["symbol"]), -1)
        return named if hinted < 0 or named == hinted else -1

    def _record(self, kind: Kind, side: Side, flags: int, **values: int) -> None:
        self.records.append(
            {
                "event_time_ns": self.seen.event_time_ns,
                "receive_time_ns": self.receive_time_ns,
                "instrument": self.seen.instrument,
                "kind": kind,
                "side": side,
                "flags": flags | Source.MARKET << SOURCE_SHIFT,
                "order_id": self.seen.last_update_id,
                **values,
            }
        )

    def _price_quantity(self, price: Any, quantity: Any) -> dict[str, int]:
        entry = self.entry
        return {
            "price_ticks": units(price, int(entry["tick_mantissa"]), int(entry["tick_exponent"])),
            "quantity_lots": units(quantity, int(entry["lot_mantissa"]), int(entry["lot_exponent"])),
        }

    def _depth(self, event: Object) -> None:
        self.seen = self.seen._replace(first_update_id=integer(event, "U"))
        self.seen = self.seen._replace(last_update_id=integer(event, "u"))
        if self.contract != Contract.SPOT:
            self.seen = self.seen._replace(previous_update_id=integer(event, "pu"))
        self._levels(event.get("b"), event.get("a"), 0)

    def _snapshot(self, event: Object) -> None:
        update_id = integer(event, "lastUpdateId")
        self.seen = self.seen._replace(first_update_id=update_id, last_update_id=update_id)
        self._levels(event.get("bids"), event.get("asks"), Flag.SNAPSHOT)

    def _levels(self, bids: Any, asks: Any, flags: int) -> None:
        for side, given in ((Side.BID, bids), (Side.ASK, asks)):
            for price, quantity in self._one_by_one(given):
                if len(self.records) == self.capacity:
                    raise Refused(Refusal.FRAME_TOO_LARGE)
                self._record(Kind.LEVEL, side, flags, **self._price_quantity(price, quantity))
        if not self.records:
            self._record(Kind.LEVEL, Side.BID, flags)
        self.records[-1]["flags"] |= Flag.LAST

    def _one_by_one(self, side: Any) -> Iterator[tuple[Any, Any]]:
        """Levels in order, so that of two faults the earlier one names the refusal."""
        if not isinstance(side, list):
            raise Refused(MALFORMED)
        for level in side:
            if len(self.records) == self.capacity:
                raise Refused(Refusal.FRAME_TOO_LARGE)
            if not isinstance(level, list) or not level:
                raise Refused(MALFORMED)
            self._price_quantity(level[0], '"0"')
            if len(level) < 2:
                raise Refused(MALFORMED)
            yield level[0], level[1]

    def _trade(self, event: Object) -> None:
        self.seen = self.seen._replace(last_update_id=integer(event, "t" if event["e"] == '"trade"' else "a"))
        if event.get("m") not in ("true", "false"):
            raise Refused(MALFORMED)
        side = Side.ASK if event["m"] == "true" else Side.BID
        self._record(Kind.TRADE, side, Flag.LAST, **self._price_quantity(event.get("p"), event.get("q")))

    def _quote(self, event: Object) -> None:
        self.seen = self.seen._replace(last_update_id=integer(event, "u"))
        bid = self._price_quantity(event.get("b"), event.get("B"))
        ask = self._price_quantity(event.get("a"), event.get("A"))
        self._record(Kind.QUOTE, Side.BID, Flag.MORE | Flag.LAST, **bid)
        self._record(Kind.QUOTE, Side.ASK, Flag.QUOTE_SIDE | Flag.LAST, **ask)

    def _funding(self, event: Object) -> None:
        exponent = int(self.entry["tick_exponent"])
        places = max(8, exponent)
        tick = int(self.entry["tick_mantissa"]) * 10 ** (places - exponent)
        price = (units(event.get("p"), 1, places) + tick // 2) // tick
        next_time_ns = integer(event, "T", TIME_LIMIT_MS) * 1_000_000
        rate = 0
        if event.get("r") != '""':
            match = RATE.fullmatch(event["r"]) if isinstance(event.get("r"), str) else None
            if match is None:
                raise Refused(MALFORMED)
            rate = units(f'"{match[2]}"', 1, 8) * (-1 if match[1] else 1)
        self._record(
            Kind.FUNDING, Side.NONE, Flag.LAST, price_ticks=price, quantity_lots=next_time_ns, extra=rate, order_id=0
        )

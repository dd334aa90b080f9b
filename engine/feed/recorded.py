"""Recorded Binance streams: text files, gzipped or not, of lines `<local receive time, ns> <frame as received>`.

A file is named `<market>_<symbol>[_<day>].gz` with market spot, usdm or cm; files that differ by day only are one
uninterrupted recording, cut at midnight. The receive times are the recorder's own and are never corrected.
"""

import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from engine.errors import IntegrityError, UserError
from engine.feed.binance import CONTRACT_BY_MARKET, KNOWN, Known, make_instrument
from engine.feed.config import FeedConfig
from engine.feed.sync import FeedHandler
from ipc.messages import Refusal, messages

NAME = re.compile(r"(?P<market>[a-z]+)_(?P<symbol>[a-z0-9_]+?)(?:_(?P<day>\d{8}))?(?:\.txt|\.jsonl)?(?:\.gz)?")
LEVEL = re.compile(rb'\[\s*"([\d.]+)"\s*,\s*"([\d.]+)"')
EARLIEST_NS = 1_000_000_000_000_000_000  # 2001; a time in us, ms or s is below it
CHUNK_RECORDS = 65_536
FATAL = frozenset(
    {Refusal.FRAME_MALFORMED, Refusal.FRAME_TOO_LARGE, Refusal.FRAME_UNKNOWN_SYMBOL, Refusal.DECIMAL_INEXACT}
)


class Recording(NamedTuple):
    """One instrument's uninterrupted recording: its files in order of time."""

    market: str
    symbol: str
    paths: tuple[Path, ...]


class Line(NamedTuple):
    """One line of a recording, and where it stands: number from 1 and byte of the text."""

    receive_time_ns: int
    frame: bytes
    path: Path
    number: int
    byte: int


def group(paths: Iterable[str | Path]) -> list[Recording]:
    """Recordings in the order in which their names first appear, the files of each by day.

    Raises UserError for a name that says no known market, and for a file that is not there.
    """
    by_name: dict[tuple[str, str], dict[str, Path]] = {}
    for path in map(Path, paths):
        if not path.is_file():
            raise UserError(f"{path}: {'a folder, not a file' if path.is_dir() else 'no such file'}")
        match = NAME.fullmatch(path.name)
        if match is None or match["market"] not in CONTRACT_BY_MARKET:
            raise UserError(
                f"{path.name}: venue unknown: a recording is named spot_, usdm_ or cm_ (Binance), then the symbol and"
                " the day, as in spot_btcusdt_20240808.gz; rename it so"
            )
        days = by_name.setdefault((match["market"], match["symbol"].upper()), {})
        day = match["day"] or ""
        if days.setdefault(day, path) != path:
            raise UserError(f"{path}: is the same day of the same recording as {days[day]}; give one of the two")
    return [
        Recording(market, symbol, tuple(path for _, path in sorted(days.items())))
        for (market, symbol), days in by_name.items()
    ]


# -- lines -----------------------------------------------------------------------------------------------------------


def read_lines(recording: Recording) -> Iterator[Line]:
    """Every line in order. Raises IntegrityError that names file, byte, last good message and the mend."""
    last: Line | None = None
    for path in recording.paths:
        number = byte = 0
        try:
            with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
                for text in stream:
                    number += 1
                    line = _parse_line(text, path, number, byte, last)
                    yield line
                    byte += len(text)
                    last = line
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            whole = number if number == 0 or last is None or last.number == number else number - 1
            raise IntegrityError(
                f"{path.name}: byte {byte} of its text: the gzip file is cut or damaged ({error}); {_last_good(last)};"
                f" copy it anew, or keep the {whole} whole lines: zcat {path.name} | head -n {whole} | gzip > whole.gz"
            ) from None


def _parse_line(text: bytes, path: Path, number: int, byte: int, last: Line | None) -> Line:
    time_text, _, frame = text.rstrip(b"\r\n").partition(b" ")
    if not time_text.isdigit() or not frame:
        raise IntegrityError(
            f"{path.name}: byte {byte} (line {number}) is not '<receive time, ns> <frame>'; {_last_good(last)};"
            " delete the line, or cut the file before it"
        )
    receive_time_ns = int(time_text)
    if receive_time_ns < EARLIEST_NS or receive_time_ns >= 9 * EARLIEST_NS:
        raise IntegrityError(
            f"{path.name}: byte {byte} (line {number}): receive time {receive_time_ns} is in {_unit(receive_time_ns)},"
            f" nanoseconds are wanted; {_last_good(last)}; {_unit_mend(receive_time_ns)}"
        )
    if last is not None and receive_time_ns < last.receive_time_ns:
        raise IntegrityError(
            f"{path.name}: byte {byte} (line {number}): received {receive_time_ns}, before the line before it"
            f" ({last.receive_time_ns}): wrong order; {_last_good(last)};"
            " sort the file by its first column (sort -n -s -k1,1), or name its days as they follow each other"
        )
    return Line(receive_time_ns, frame, path, number, byte)


def _unit(time: int) -> str:
    for unit, digits in (("seconds", 11), ("milliseconds", 14), ("microseconds", 17)):
        if time < 10**digits:
            return unit
    return "no unit known"


def _unit_mend(time: int) -> str:
    factor = {"seconds": 10**9, "milliseconds": 10**6, "microseconds": 1_000}.get(_unit(time))
    return f"multiply the first column by {factor}" if factor else "record the time as nanoseconds since 1970, UTC"


def _last_good(last: Line | None) -> str:
    if last is None:
        return "no good message before it"
    moment = datetime.fromtimestamp(last.receive_time_ns / 1e9, UTC)
    return f"last good message line {last.number} of {last.path.name} ({moment:%Y-%m-%d %H:%M:%S.%f} UTC)"


# -- instruments -----------------------------------------------------------------------------------------------------


def instrument_of(recording: Recording) -> np.ndarray[Any, Any]:
    """INSTRUMENT row, shape (1,): from the table of known ones, else the finest decimals that the recording shows."""
    known = KNOWN.get((recording.market, recording.symbol))
    return make_instrument(recording.market, recording.symbol, known or derive_sizes(recording))


def derive_sizes(recording: Recording) -> Known:
    """Tick and lot as the power of ten of the finest decimal seen in any level of the recording."""
    price_places = quantity_places = 0
    for line in read_lines(recording):
        for price, quantity in LEVEL.findall(line.frame):
            price_places = max(price_places, _places(price))
            quantity_places = max(quantity_places, _places(quantity))
    return Known(_power_of_ten(price_places), _power_of_ten(quantity_places))


def _power_of_ten(places: int) -> str:
    return f"0.{'1':0>{places}}" if places else "1"


def _places(text: bytes) -> int:
    return len(text.partition(b".")[2].rstrip(b"0"))


# -- messages --------------------------------------------------------------------------------------------------------


class RecordedFeed:
    """The messages of one recording, through the same handler as a live session.

    instruments: the whole table, dtype INSTRUMENT; row: the recording's own.
    """

    def __init__(
        self, recording: Recording, instruments: np.ndarray[Any, Any], row: int, config: FeedConfig | None = None
    ) -> None:
        self.recording = recording
        self.row = row
        self.lines = 0
        self.handler = FeedHandler(instruments, CONTRACT_BY_MARKET[recording.market], config)

    def batches(self) -> Iterator[np.ndarray[Any, Any]]:
        """What each line gave rise to, MESSAGE of shape (n,), n may be 0: memory of the handler until the next one.

        Raises IntegrityError for a frame that cannot be read, and at the end for a recording without a snapshot.
        """
        accept, row = self.handler.accept, self.row
        line: Line | None = None
        before: Line | None = None
        for line in read_lines(self.recording):
            out = accept(line.frame, line.receive_time_ns, row)
            refusal = self.handler.last_refusal
            if refusal in FATAL:
                self._refuse(line, Refusal(refusal), before)
            self.lines += 1
            yield out
            before = line
        if self.handler.counts(self.row)["snapshots"] == 0:
            self._refuse_without_snapshot(line)

    def chunks(self) -> Iterator[np.ndarray[Any, Any]]:
        """All messages in arrays of about CHUNK_RECORDS records, each the caller's own; lines are never split."""
        chunk, count = messages(CHUNK_RECORDS), 0
        for batch in self.batches():
            if count + len(batch) > len(chunk):
                yield chunk[:count]
                chunk, count = messages(max(CHUNK_RECORDS, len(batch))), 0
            chunk[count : count + len(batch)] = batch
            count += len(batch)
        yield chunk[:count]

    def _refuse(self, line: Line, refusal: Refusal, before: Line | None) -> None:
        offset = self.handler.last_frame.offset
        near = line.frame[max(0, offset - 20) : offset + 20].decode("ascii", "replace")
        byte = line.byte + len(str(line.receive_time_ns)) + 1 + offset
        mend = {
            Refusal.DECIMAL_INEXACT: "the instrument's tick or lot is finer than the table says",
            Refusal.FRAME_UNKNOWN_SYMBOL: "one file holds one symbol, the one of its name",
            Refusal.FRAME_TOO_LARGE: "raise feed.max_frame_bytes or feed.max_frame_records",
        }.get(refusal, "delete the line, or cut the file before it")
        raise IntegrityError(
            f"{line.path.name}: byte {byte} (line {line.number}): {refusal.name} near {near!r};"
            f" {_last_good(before)}; {mend}"
        )

    def _refuse_without_snapshot(self, line: Line | None) -> None:
        names = ", ".join(path.name for path in self.recording.paths)
        counts = self.handler.counts(self.row)
        why = "no depth snapshot" if counts["snapshots_too_old"] == 0 else "only snapshots older than its first diff"
        raise IntegrityError(
            f"{names}: byte {line.byte if line else 0}: {why} up to the end, so its book is never known;"
            f" {_last_good(line)}; give the file in which it begins as well (the day before has the snapshot)"
        )

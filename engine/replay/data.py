"""What lies behind `bot4 data import|check|ls`: recordings into tapes, books rebuilt and held against the venue's own.

A *source* is a file of a recording (engine/feed/recorded.py) or a tape; the days of one recording count as one source.
"""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from engine.book.stage import BookStage
from engine.errors import UserError
from engine.feed.decoder import DECODER_VERSION
from engine.feed.recorded import RecordedFeed, Recording, group, instrument_of
from engine.replay.tape import TAPE_VERSION, Tape, merge, write_tape
from engine.stage import BOOK_VIEW
from ipc.messages import SCHEMA_VERSION, BookState, Flag, Kind, messages

TAPE_SUFFIX = ".tape"

Array = np.ndarray[Any, Any]


class Best(NamedTuple):
    """The rebuilt book after one diff, and the snapshot it stands on."""

    snapshot_id: int
    update_id: int
    bid_price_ticks: int
    bid_quantity_lots: int
    ask_price_ticks: int
    ask_quantity_lots: int


# -- check -----------------------------------------------------------------------------------------------------------


class InstrumentCheck:
    """Rebuilds one instrument's book from its messages and compares it with the venue's best bid and offer."""

    def __init__(self, instruments: Array, row: int) -> None:
        self.row = row
        self.name = bytes(instruments[row]["name"]).decode()
        self.messages = self.snapshots = self.gaps = self.trades = 0
        self.snapshot_id = -1
        self.bests: list[Best] = []
        self._quotes: list[Array] = []
        self._delays_ns: list[Array] = []
        self._book = BookStage(instruments)
        self._view = self._book.rows(BOOK_VIEW)[row : row + 1]

    def add(self, records: Array) -> None:
        """Messages of this instrument in their order, MESSAGE, shape (n,); batches whole."""
        kinds = records["kind"]
        self.trades += int(np.count_nonzero(kinds == Kind.TRADE))
        self._quotes.append(records[kinds == Kind.QUOTE].copy())
        timed = records[(records["event_time_ns"] > 0) & (records["flags"] & Flag.LAST != 0) & (kinds != Kind.REFUSAL)]
        self._delays_ns.append(timed["receive_time_ns"] - timed["event_time_ns"])
        book = records[(kinds == Kind.LEVEL) | (kinds == Kind.BOOK_STATE)]
        start = 0
        for end in np.flatnonzero(book["flags"] & Flag.LAST) + 1:
            self._add_batch(book[start:end])
            start = int(end)

    def _add_batch(self, batch: Array) -> None:
        self._book.drive(batch, capacity=1)
        last = batch[-1]
        if last["kind"] == Kind.BOOK_STATE:
            self.gaps += int(last["extra"] == BookState.GAP)
        elif last["flags"] & Flag.SNAPSHOT:
            self.snapshots += 1
            self.snapshot_id = int(last["order_id"])
        else:
            view = self._view[0]
            self.bests.append(
                Best(
                    self.snapshot_id,
                    int(last["order_id"]),
                    int(view["bid_price_ticks"][0]),
                    int(view["bid_quantity_lots"][0]),
                    int(view["ask_price_ticks"][0]),
                    int(view["ask_quantity_lots"][0]),
                )
            )

    def result(self) -> dict[str, Any]:
        """The keys of `bot4 data check`; diffs are those applied to the book."""
        compared, equal = self.compare()
        delays = np.concatenate(self._delays_ns) if self._delays_ns else np.zeros(0, "<i8")
        return {
            "name": self.name,
            "messages": self.messages,
            "snapshots": self.snapshots,
            "diffs": len(self.bests),
            "gaps": self.gaps,
            "crossed": int(self._view[0]["crossed"]),
            "bbo_compared": compared,
            "bbo_equal": equal,
            "trades": self.trades,
            "clock_offset_ms": round(float(np.median(delays)) / 1e6, 3) if len(delays) else None,
        }

    def compare(self) -> tuple[int, int]:
        """(compared, equal): each diff with the venue's last quote of at most its id, newer than the snapshot."""
        quotes: Array = np.concatenate([messages(0), *self._quotes])
        if len(quotes) == 0 or not self.bests:
            return 0, 0
        bids, asks = quotes[0::2], quotes[1::2]
        order = np.argsort(bids["order_id"], kind="stable")
        bids, asks = bids[order], asks[order]
        bests = np.array(self.bests, "<i8")
        at = np.searchsorted(bids["order_id"], bests[:, 1], "right") - 1
        comparable = (at >= 0) & (bids["order_id"][at] > bests[:, 0])
        at, bests = at[comparable], bests[comparable]
        venue = np.stack(
            [
                bids["price_ticks"][at],
                bids["quantity_lots"][at],
                asks["price_ticks"][at],
                asks["quantity_lots"][at],
            ],
            axis=1,
        )
        return len(at), int(np.count_nonzero((venue == bests[:, 2:]).all(axis=1)))


def check(paths: Iterable[str | Path]) -> dict[str, Any]:
    """{"instruments": [...]}: for each instrument of the recordings or tapes, the book rebuilt and what was found.

    Raises UserError or IntegrityError for files that cannot be read.
    """
    tapes, recordings = split_sources(paths)
    found = [_check_recording(recording) for recording in recordings]
    for path in tapes:
        found.extend(_check_tape(Tape.open(path, verify=True)))
    return {"instruments": found}


def _check_recording(recording: Recording) -> dict[str, Any]:
    instruments = instrument_of(recording)
    feed = RecordedFeed(recording, instruments, 0)
    checked = InstrumentCheck(instruments, 0)
    for chunk in feed.chunks():
        checked.add(chunk)
    checked.messages = feed.lines
    return checked.result()


def _check_tape(tape: Tape) -> list[dict[str, Any]]:
    results = []
    for row in range(len(tape.instruments)):
        checked = InstrumentCheck(tape.instruments, row)
        mine = tape.records[tape.records["instrument"] == row]
        checked.add(mine)
        checked.messages = int(np.count_nonzero(mine["flags"] & Flag.MORE == 0))
        results.append(checked.result())
    return results


# -- import ----------------------------------------------------------------------------------------------------------


def split_sources(paths: Iterable[str | Path]) -> tuple[list[Path], list[Recording]]:
    """Tapes and recordings among the paths. Raises UserError when there is none, or for a file of neither kind."""
    every = [Path(path) for path in paths]
    if not every:
        raise UserError("no data given: name tapes, or recordings such as spot_btcusdt_20240808.gz")
    tapes = [path for path in every if path.suffix == TAPE_SUFFIX]
    return tapes, group(path for path in every if path.suffix != TAPE_SUFFIX)


def import_files(paths: Iterable[str | Path], output_tape: str | Path) -> dict[str, Any]:
    """Recordings into one tape, in order of receive time; rows in the order in which the recordings are named.

    Returns {"tape", "records", "instruments", "source_sha256"}. Raises UserError or IntegrityError; then nothing is
    written.
    """
    tapes, recordings = split_sources(paths)
    if tapes:
        raise UserError(f"{tapes[0]} is a tape already; import takes recordings")
    tables = [instrument_of(recording) for recording in recordings]
    instruments = np.concatenate(tables)
    source = _content_hash(path for recording in recordings for path in recording.paths)
    streams: list[Iterator[Array]] = [
        RecordedFeed(recording, instruments, row).chunks() for row, recording in enumerate(recordings)
    ]
    output = Path(output_tape)
    output.parent.mkdir(parents=True, exist_ok=True)
    count = write_tape(output, instruments, merge(streams), source_sha256=source)
    names = [bytes(name).decode() for name in instruments["name"]]
    return {"tape": str(output), "records": count, "instruments": names, "source_sha256": source}


def imported(paths: Iterable[str | Path], cache: str | Path) -> Tape:
    """One verified tape of the sources: the tape itself, or recordings imported once into the folder `cache`.

    The name in the cache is made of the files' contents, their names and the versions of decoder, message and tape.
    A cached tape that is damaged is imported anew. Raises UserError or IntegrityError.
    """
    every = [Path(path) for path in paths]
    tapes, recordings = split_sources(every)
    if tapes:
        if len(every) > 1:
            raise UserError(
                "give one tape, or recordings: several tapes cannot be joined (bot4 data import joins recordings)"
            )
        return Tape.open(tapes[0], verify=True)
    files = [path for recording in recordings for path in recording.paths]
    key = hashlib.sha256(_content_hash(files).encode())
    key.update(repr([path.name for path in files]).encode())
    key.update(repr((DECODER_VERSION, SCHEMA_VERSION, TAPE_VERSION)).encode())
    for recording in recordings:
        key.update(instrument_of(recording).tobytes())
    path = Path(cache) / f"{key.hexdigest()[:32]}{TAPE_SUFFIX}"
    if path.exists():
        try:
            return Tape.open(path, verify=True)
        except UserError:
            path.unlink()
    import_files(files, path)
    return Tape.open(path)


def _content_hash(paths: Iterable[Path]) -> str:
    """SHA-256 over the SHA-256 of each file, in order."""
    whole = hashlib.sha256()
    for path in paths:
        with path.open("rb") as stream:
            whole.update(hashlib.file_digest(stream, "sha256").digest())
    return whole.hexdigest()


# -- ls --------------------------------------------------------------------------------------------------------------


def list_tapes(folder: str | Path) -> list[dict[str, Any]]:
    """The tapes of a folder by name: {"tape", "records", "bytes", "instruments", "first_receive_time_ns", "last_..."}.

    One that cannot be read has the key "error" instead. Raises UserError when there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    return [_describe(path) for path in sorted(folder.glob(f"*{TAPE_SUFFIX}"))]


def _describe(path: Path) -> dict[str, Any]:
    try:
        tape = Tape.open(path)
    except UserError as error:
        return {"tape": str(path), "error": str(error)}
    return {
        "tape": str(path),
        "records": len(tape.records),
        "bytes": path.stat().st_size,
        "instruments": tape.names,
        "first_receive_time_ns": int(tape.header["first_receive_time_ns"]),
        "last_receive_time_ns": int(tape.header["last_receive_time_ns"]),
    }

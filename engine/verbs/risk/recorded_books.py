"""The books of recordings, tapes and runs, sampled each second: what `bot4 risk var --liquidity` knows of leaving."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from engine.verbs.risk.var_inputs import Holding
    from models.market_risk.book_liquidity import BookSample
    from models.market_risk.book_liquidity import Side as BookSide
    from models.market_risk.liquidity import Terms

Array = np.ndarray[Any, Any]

STEP_NS = 1_000_000_000
LEVELS = 2_000  # of a side looked at
CHUNK = 1 << 16


@dataclass
class SampledBook:
    """One instrument of a source: (time, bids, asks) of its valid book, at most one each second of receive time."""

    name: str
    symbol: str
    source: str
    moments: list[tuple[int, "BookSide", "BookSide"]] = field(default_factory=list)

    @property
    def span(self) -> tuple[str, str]:
        ends = (self.moments[0][0], self.moments[-1][0])
        first, last = (str(np.datetime64(time_ns, "ns").astype("datetime64[s]")).replace("T", " ") for time_ns in ends)
        return first, last


def is_book(text: str) -> bool:
    """Whether [NAME=]PATH is a book of some kind, and not a table of terms."""
    return not text.lower().endswith((".csv", ".csv.gz"))


# -- reading ---------------------------------------------------------------------------------------------------------


def books_of(path: Path) -> list[SampledBook]:
    """The instruments of a recording, a tape or a run's folder, sampled. Raises UserError and IntegrityError."""
    from engine.feed.recorded import RecordedFeed, group, instrument_of
    from engine.replay.data import TAPE_SUFFIX
    from engine.replay.tape import Tape

    if path.is_dir():
        from engine.run_files import RunFiles

        instruments = np.load(RunFiles(path.name, path, path).instruments)
        return sampled(instruments, inputs_of(path), path.name)
    if path.suffix == TAPE_SUFFIX:
        tape = Tape.open(path, verify=True)
        return sampled(np.array(tape.instruments), slices(tape.records), path.name)
    recording = group([path])[0]
    instruments = instrument_of(recording)
    return sampled(instruments, RecordedFeed(recording, instruments, 0).chunks(), path.name)


def inputs_of(folder: Path) -> Iterator[Array]:
    """What a run's core was given, block by block."""
    from engine.journal.block import is_said
    from engine.journal.reader import Journal

    for block in Journal.open(folder, verify=False).blocks():
        yield block.records[~is_said(block.records)]


def slices(records: Array) -> Iterator[Array]:
    """A tape in pieces that end where a batch does."""
    from ipc.messages import Flag

    start = 0
    while start < len(records):
        piece = records[start : start + CHUNK]
        ends = np.flatnonzero(piece["flags"] & Flag.LAST)
        end = int(ends[-1]) + 1 if len(ends) else len(piece)
        yield piece[:end]
        start += end


def sampled(instruments: Array, chunks: Iterator[Array], source: str) -> list[SampledBook]:
    """Drives a book stage over the messages and looks at it at the first batch end of each second."""
    from engine.book.stage import BookStage
    from ipc.messages import Flag, Kind

    stage = BookStage(instruments)
    names = [(bytes(row["name"]).decode(), bytes(row["symbol"]).decode()) for row in instruments]
    found = [SampledBook(name, symbol, source) for name, symbol in names]
    second = -1
    for chunk in chunks:
        book = chunk[(chunk["kind"] == Kind.LEVEL) | (chunk["kind"] == Kind.BOOK_STATE)]
        ends = np.flatnonzero(book["flags"] & Flag.LAST) + 1
        seconds = book["receive_time_ns"][ends - 1] // STEP_NS
        start = 0
        for at in np.flatnonzero(np.diff(seconds, prepend=second)):
            end = int(ends[at])
            stage.drive(book[start:end], capacity=max(4096, end - start))
            look(stage, instruments, found, int(book["receive_time_ns"][end - 1]))
            start = end
        if len(ends):
            second = int(seconds[-1])
            stage.drive(book[start:], capacity=max(4096, len(book) - start))
    return found


def look(stage: Any, instruments: Array, found: list[SampledBook], time_ns: int) -> None:
    """Adds a moment to each instrument whose book is valid now and has two sides."""
    from engine.stage import BOOK_VIEW
    from ipc.instruments import Contract
    from ipc.messages import BookState, Side
    from models.market_risk.book_liquidity import Side as BookSide

    views = stage.rows(BOOK_VIEW)
    for i, row in enumerate(instruments):
        view = views[i]
        if view["state"] != BookState.VALID or not (view["bid_count"] > 0 and view["ask_count"] > 0):
            continue
        tick = int(row["tick_mantissa"]) / 10 ** int(row["tick_exponent"])
        lot = int(row["lot_mantissa"]) / 10 ** int(row["lot_exponent"])
        sides = []
        for side in (Side.BID, Side.ASK):
            levels = np.array(stage.best_levels(i, int(side), LEVELS), dtype=np.float64)
            prices, quantities = levels[:, 0] * tick, levels[:, 1] * lot
            if row["contract"] == Contract.INVERSE:  # a contract is worth so much of the quote currency
                quantities = quantities * int(row["contract_size"]) / prices
            sides.append(BookSide(prices, quantities))
        found[i].moments.append((time_ns, sides[0], sides[1]))


# -- of a portfolio --------------------------------------------------------------------------------------------------


def chosen_books(given: Sequence[str], names: Sequence[str]) -> dict[str, SampledBook]:
    """Position -> its book, from [NAME=]PATH texts. Raises Fault, DataFault, UserError.

    Without NAME a book belongs to the position called like its instrument or its symbol, in whatever case.
    """
    from engine.errors import UserError
    from engine.verbs.risk.per_name import member
    from models.faults import DataFault, Fault

    found: dict[str, SampledBook] = {}
    for text in given:
        name, sign, rest = text.partition("=")
        path = Path(rest if sign else text)
        try:
            books = books_of(path)
        except OSError as error:
            raise UserError(f"{path}: cannot be read: {error.strerror}") from None
        if sign:
            if len(books) != 1:
                there = ", ".join(book.name for book in books)
                raise Fault(f"--liquidity {text}: it holds {len(books)} books ({there}); name positions like them")
            books[0].symbol = names[member(name.strip(), names, "--liquidity")]
        for book in books:
            for position in names:
                if position.lower() in (book.name.lower(), book.symbol.lower()):
                    if position in found:
                        raise Fault(f"--liquidity: {position} has two books, {found[position].name} and {book.name}")
                    found[position] = book
    absent = [name for name in names if name not in found]
    if absent:
        raise DataFault(
            f"--liquidity: no book of {', '.join(absent)}; write NAME=PATH where a position is not called like its book"
        )
    return found


def terms_from_books(
    given: Sequence[str], held: "Holding", depth_bps: float
) -> "tuple[dict[str, Terms], dict[str, Any], tuple[str, ...]]":
    """Terms of each position, what they rest on, and notes. Raises Fault, DataFault, UserError, IntegrityError."""
    from models.faults import DataFault
    from models.market_risk.book_liquidity import at_once, described, sample_of, terms_of

    terms, facts, notes = {}, {}, []
    for position, book in chosen_books(given, held.names).items():
        exposure = float(held.exposures[held.names.index(position)])
        samples: list[BookSample] = [
            sample_of(bids, asks, exposure >= 0.0, depth_bps * 1e-4) for _, bids, asks in book.moments
        ]
        if not samples:
            raise DataFault(f"{position}: {book.source} never had a valid book: a snapshot is needed first")
        terms[position], cut = terms_of(samples, STEP_NS / 1e9, f"{position} in {book.source}")
        if terms[position].depth <= 0.0:
            raise DataFault(
                f"{position}: half of the samples of {book.source} have nothing within {depth_bps:g} bp: raise "
                f"--depth-bps"
            )
        last = book.moments[-1]
        mid = samples[-1].mid
        facts[position] = {
            "source": book.source,
            "book": book.name,
            "samples": len(samples),
            "from": book.span[0],
            "to": book.span[1],
            "at_once": described(at_once(last[1] if exposure >= 0.0 else last[2], abs(exposure) / mid, mid), mid),
        }
        notes += [
            f"BOOK_LIQUIDITY: {position} from {len(samples):,} samples of {book.source}, {book.span[0]} to "
            f"{book.span[1]}; its quote currency is taken as the portfolio's",
            *cut,
        ]
    return terms, facts, tuple(notes)

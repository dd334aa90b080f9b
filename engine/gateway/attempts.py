"""The record of attempted order numbers: what makes "never twice to the venue" hold across a kill -9.

A preallocated file in the run directory, mapped into memory: a killed process leaves its stores in the page cache, so
the next gateway reads them. (Power loss is the business of the journal's `durability`.) One cache line a number:

    offset 0       8           16              24        28    29    30    31   32      40       48      56
           +-------+-----------+---------------+---------+-----+-----+-----+----+-------+--------+-------+---------+
           |number |state_time |refusal        |instrum. |acti.|side |type |tif |price  |quantity|target |cumulat. |
           +-------+-----------+---------------+---------+-----+-----+-----+----+-------+--------+-------+---------+

Number n lies at row n modulo the capacity. `state_time` is the time of the attempt in ns with its two lowest bits
replaced by the State, and is the last word written: a row is whole, or it is FREE. A row is given to a later number
only when its order is FINISHED; one that is still open by then moves to a spare row first (`make_room`), so that
an old order never keeps later ones, and the cancel of itself among them, from being sent.
"""

import mmap
import os
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import numpy as np

from engine.errors import IntegrityError, UserError
from engine.gateway.order_message import OrderMessage
from ipc.messages import Refusal

MAGIC = 0x3154504D45545441  # "ATTEMPT1"
SCHEMA_VERSION = 2
HEADER_BYTES = 64
STATE_BITS = 3
ROWS_PER_SPARE = 16

ATTEMPT = np.dtype(
    [
        ("number", "<i8"),
        ("state_time", "<i8"),
        ("refusal", "<i8"),  # of a REFUSED number: the Refusal
        ("instrument", "<u4"),
        ("action", "u1"),
        ("side", "u1"),
        ("order_type", "u1"),
        ("time_in_force", "u1"),
        ("price_ticks", "<i8"),
        ("quantity_lots", "<i8"),
        ("target_order_id", "<i8"),
        ("cumulative_lots", "<i8"),  # as of the last fill reported
    ]
)
assert ATTEMPT.itemsize == 64

# A row as eight words; _KINDS holds instrument, action, side, order type and time in force.
WORDS = 8
_NUMBER, _STATE_TIME, _REFUSAL, _KINDS, _PRICE, _QUANTITY, _TARGET, _CUMULATIVE = range(8)
assert ATTEMPT.itemsize == 8 * WORDS


class State(IntEnum):
    FREE = 0
    ATTEMPTED = 1  # about to be sent, or sent: its fate is the venue's to tell
    REFUSED = 2  # decided never to send it; its rejection may still have to be reported
    FINISHED = 3  # its final report lies in the reports ring


@dataclass(frozen=True)
class Attempt:
    """One row as a value."""

    number: int
    state: State
    time_ns: int
    refusal: Refusal
    instrument: int
    action: int
    side: int
    order_type: int
    time_in_force: int
    price_ticks: int
    quantity_lots: int
    target_order_id: int
    cumulative_lots: int


class AttemptRecord:
    """The mapped file. One process writes it; a restarted one goes on with it."""

    def __init__(self, path: Path, capacity: int = 65_536) -> None:
        """Opens the file, or makes it. Raises UserError when it cannot be made, IntegrityError when it is another's."""
        spares = -(-capacity // ROWS_PER_SPARE)
        size = HEADER_BYTES + (capacity + spares) * ATTEMPT.itemsize
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise UserError(f"{path}: the record of attempted orders cannot be opened: {error.strerror}") from error
        try:
            found = os.fstat(descriptor).st_size
            if found not in (0, size):
                raise IntegrityError(
                    f"{path}: {found} bytes, {size} expected: another attempts_capacity or build wrote it"
                )
            os.posix_fallocate(descriptor, 0, size)
            self._mapping = mmap.mmap(descriptor, size)
        finally:
            os.close(descriptor)
        self._header = np.frombuffer(self._mapping, dtype="<i8", count=3)
        if found == 0:
            self._header[1:] = SCHEMA_VERSION, capacity
            self._header[0] = MAGIC
        if tuple(self._header) not in ((MAGIC, SCHEMA_VERSION, capacity), (0, 0, 0)):
            raise IntegrityError(f"{path}: not a record of attempted orders of schema {SCHEMA_VERSION}")
        self._header[:] = MAGIC, SCHEMA_VERSION, capacity
        self._rows = np.frombuffer(self._mapping, dtype=ATTEMPT, offset=HEADER_BYTES)
        self._words = memoryview(self._mapping)[HEADER_BYTES:].cast("q")  # an assignment is one store of 8 bytes
        self.capacity = capacity
        self._spares = range(capacity * WORDS, (capacity + spares) * WORDS, WORDS)
        self._moved = self._find_moved()  # number -> first word of its spare row

    def _find_moved(self) -> dict[int, int]:
        """The orders in spare rows. A copy whose original was not yet given up counts for nothing: it is dropped."""
        moved = {}
        for at in self._spares:
            if self._words[at + _STATE_TIME] & STATE_BITS in (State.FREE, State.FINISHED):
                continue
            number = self._words[at + _NUMBER]
            home = number % self.capacity * WORDS
            if self._words[home + _NUMBER] == number and self._words[home + _STATE_TIME] & STATE_BITS != State.FREE:
                self._words[at + _STATE_TIME] = State.FREE
            else:
                moved[number] = at
        return moved

    def close(self) -> None:
        self._words.release()
        del self._header, self._rows
        self._mapping.close()

    # -- QUERIES --

    @property
    def words(self) -> memoryview:
        """Every row as WORDS int64, spare ones last, for the order lane, which marks as `mark` does."""
        return self._words

    def _row(self, number: int) -> int:
        """The first word of this number's row, -1 when it has none (any more)."""
        at = number % self.capacity * WORDS
        if self._words[at + _NUMBER] == number and number not in self._moved:
            return at
        return self._moved.get(number, -1)

    def last_number(self) -> int:
        """The highest number that was ever attempted or refused, 0 when there is none: resume after it."""
        used = self._rows["state_time"] & STATE_BITS != State.FREE
        return int(self._rows["number"][used].max(initial=0))

    def state(self, number: int) -> State:
        """FREE also for a number whose row has long gone to a later one: compare with last_number()."""
        at = self._row(number)
        return State.FREE if at < 0 else State(self._words[at + _STATE_TIME] & STATE_BITS)

    def has_room(self, number: int) -> bool:
        """Whether the row of this number is free: the order that lay there is finished."""
        at = number % self.capacity * WORDS
        state = self._words[at + _STATE_TIME] & STATE_BITS
        return self._words[at + _NUMBER] == number or state in (State.FREE, State.FINISHED)

    def unfinished(self) -> list[Attempt]:
        """Every number without a final report, in order."""
        states = self._rows["state_time"] & STATE_BITS
        rows = self._rows[(states == State.ATTEMPTED) | (states == State.REFUSED)]
        return [_attempt(row) for row in rows[np.argsort(rows["number"])]]

    def attempt(self, number: int) -> Attempt | None:
        at = self._row(number)
        return None if at < 0 else _attempt(self._rows[at // WORDS])

    def quantity_lots(self, number: int) -> int | None:
        """Of a number that was attempted or refused, None for another."""
        at = self._row(number)
        return None if at < 0 else self._words[at + _QUANTITY]

    # -- COMMANDS --

    def make_room(self, number: int) -> bool:
        """Sees to it that the row of this number is free: an order that is still open moves to a spare row.

        False when there is none: so many orders, each older than `capacity` numbers, are open.
        """
        if self.has_room(number):
            return True
        home = number % self.capacity * WORDS
        taken = set(self._moved.values())
        at = next((at for at in self._spares if at not in taken), -1)
        if at < 0:
            return False
        words = self._words
        words[at + _STATE_TIME] = State.FREE
        for word in (_NUMBER, _REFUSAL, _KINDS, _PRICE, _QUANTITY, _TARGET, _CUMULATIVE):
            words[at + word] = words[home + word]
        words[at + _STATE_TIME] = words[home + _STATE_TIME]  # killed before the next line: the move is undone
        words[home + _STATE_TIME] = State.FREE
        self._moved[words[at + _NUMBER]] = at
        return True

    def mark(self, order: OrderMessage, now_ns: int) -> None:
        """Before the send: from here on this number is never sent again.

        Raises ValueError for a number that was marked before: the caller would have sent it twice.
        """
        self._write(order, now_ns, State.ATTEMPTED, Refusal.NONE)

    def mark_refused(self, order: OrderMessage, now_ns: int, code: Refusal) -> None:
        """Instead of the send: this number is never sent, and a restarted gateway repeats its rejection."""
        self._write(order, now_ns, State.REFUSED, code)

    def note_filled(self, number: int, cumulative_lots: int) -> None:
        """After a fill is in the reports ring."""
        at = self._row(number)
        if at >= 0:
            self._words[at + _CUMULATIVE] = cumulative_lots

    def mark_finished(self, number: int) -> None:
        """After the final report is in the reports ring."""
        at = self._row(number)
        if at >= 0:
            self._words[at + _STATE_TIME] |= State.FINISHED
            self._moved.pop(number, None)

    def _write(self, order: OrderMessage, now_ns: int, state: State, refusal: Refusal) -> None:
        number = order.order_id
        words, at = self._words, number % self.capacity * WORDS
        if number in self._moved or (
            words[at + _NUMBER] >= number and words[at + _STATE_TIME] & STATE_BITS != State.FREE
        ):
            raise ValueError(f"order number {number} was attempted before")
        if not self.has_room(number):
            raise ValueError(f"order number {number}: the row of {words[at + _NUMBER]} is not finished")
        words[at + _STATE_TIME] = State.FREE
        words[at + _NUMBER] = number
        words[at + _REFUSAL] = refusal
        words[at + _KINDS] = (
            order.instrument
            | order.action << 32
            | order.side << 40
            | order.order_type << 48
            | order.time_in_force << 56
        )
        words[at + _PRICE] = order.price_ticks
        words[at + _QUANTITY] = order.quantity_lots
        words[at + _TARGET] = order.target_order_id
        words[at + _CUMULATIVE] = 0
        words[at + _STATE_TIME] = (now_ns & ~STATE_BITS) | state


def _attempt(row: np.void) -> Attempt:
    return Attempt(
        number=int(row["number"]),
        state=State(int(row["state_time"]) & STATE_BITS),
        time_ns=int(row["state_time"]) & ~STATE_BITS,
        refusal=Refusal(int(row["refusal"])),
        instrument=int(row["instrument"]),
        action=int(row["action"]),
        side=int(row["side"]),
        order_type=int(row["order_type"]),
        time_in_force=int(row["time_in_force"]),
        price_ticks=int(row["price_ticks"]),
        quantity_lots=int(row["quantity_lots"]),
        target_order_id=int(row["target_order_id"]),
        cumulative_lots=int(row["cumulative_lots"]),
    )

"""Runs the inputs of a journal through a pipeline again and compares every word it says with the journal's.

Recovery and `bot4 replay` both go through here: the one to get back to where the core was, the other to prove that
the same inputs give the same outputs. The first difference is named by block, record and stage: a CHECK carries a
rolling hash of each stage, so the stage is the first, in the order of the journey, whose hash differs.
"""

from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from engine.core import SAID_RECORDS, Core
from engine.journal.block import Block, Records, is_said, starts
from ipc.messages import MESSAGE, SOURCE_SHIFT, Kind, Source


@dataclass(frozen=True)
class Divergence:
    """The first place where the journal and the rerun differ."""

    block: int
    record: int  # within the block
    position: int  # in the journal
    input: int  # number of the input that it followed
    stage: str
    kind: str
    journaled: str
    computed: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def sentence(self) -> str:
        return (
            f"block {self.block}, record {self.record} (position {self.position}), stage {self.stage}: "
            f"the journal has {self.journaled}, the rerun computes {self.computed}"
        )


class Rerun:
    """Feed blocks in order; read `divergence` after each, and `missing` at the end of the journal."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._said = np.zeros(SAID_RECORDS, dtype=MESSAGE)
        self._computed: deque[Records] = deque()
        self._journaled: deque[tuple[Records, Block, np.ndarray]] = deque()
        self.divergence: Divergence | None = None
        self.inputs = 0  # messages
        self.outputs = 0  # ORDER and REFUSAL messages
        self.sequences: dict[Source, int] = {}

    # -- COMMANDS --

    def take(self, block: Block) -> bool:
        """Runs a block's inputs and compares. False at a divergence or a fault of a stage."""
        said = is_said(block.records)
        self._journaled.append((block.records[said], block, np.flatnonzero(said)))
        outputs = block.records[said]
        self.outputs += int(np.count_nonzero(starts(outputs) & (outputs["kind"] != Kind.CHECK)))
        inputs = np.ascontiguousarray(block.records[~said])
        self._note_sequences(inputs)
        self.inputs += int(np.count_nonzero(starts(inputs)))
        at = 0
        while at < len(inputs):
            taken, count = self._core.feed(inputs[at:], self._said)
            self._computed.append(self._said[:count].copy())
            at += taken
            if self._core.fault_text() is not None:
                self.divergence = self._faulted(block)
                return False
            if not self._compare():
                return False
        return self._compare()

    def missing(self) -> Records:
        """At the journal's end: what the last inputs said that the journal does not have."""
        parts = [part for part in self._computed if len(part)]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=MESSAGE)

    # -- comparing --

    def _note_sequences(self, inputs: Records) -> None:
        sources = inputs["flags"] >> SOURCE_SHIFT
        for source in np.unique(sources):
            self.sequences[Source(int(source))] = int(inputs["sequence"][np.flatnonzero(sources == source)[-1]])

    def _compare(self) -> bool:
        """Takes what both have off their queues as long as it is equal."""
        while self._computed and self._journaled:
            computed = self._computed[0]
            journaled, block, places = self._journaled[0]
            common = min(len(computed), len(journaled))
            # compared as bytes: a float is equal only bit for bit
            left = computed[:common].view(np.uint64).reshape(common, 8)
            right = np.ascontiguousarray(journaled[:common]).view(np.uint64).reshape(common, 8)
            different = np.flatnonzero((left != right).any(axis=1))
            if len(different):
                self.divergence = self._diverged(int(different[0]))
                return False
            self._computed.popleft()
            self._journaled.popleft()
            if common < len(computed):
                self._computed.appendleft(computed[common:])
            if common < len(journaled):
                self._journaled.appendleft((journaled[common:], block, places[common:]))
        if self._journaled and len(self._journaled[0][0]) and not self._computed:
            return self._journal_says_more()
        return True

    def _journal_says_more(self) -> bool:
        """Every input so far was run: what the journal still has beyond what they said is a difference."""
        journaled, block, places = self._journaled[0]
        self.divergence = self._divergence(block, int(places[0]), journaled[0], "nothing", "execution.orders")
        return False

    def _diverged(self, index: int) -> Divergence:
        journaled, block, places = self._journaled[0]
        computed = self._computed[0]
        return self._divergence(
            block, int(places[index]), journaled[index], describe(computed[index]), self._stage(index)
        )

    def _divergence(self, block: Block, place: int, record: np.void, computed: str, stage: str) -> Divergence:
        return Divergence(
            block=block.block,
            record=place,
            position=block.first_position + place,
            input=self._core.counters()["inputs"] if record["kind"] != Kind.CHECK else int(record["sequence"]),
            stage=stage,
            kind=Kind(int(record["kind"])).name,
            journaled=describe(record),
            computed=computed,
        )

    def _stage(self, index: int) -> str:
        """The first stage whose hash differs in the next CHECK of both; a CHECK comes after the words it covers."""
        journaled, computed = self._journaled[0][0][index:], self._computed[0][index:]
        left = journaled[journaled["kind"] == Kind.CHECK]
        right = computed[computed["kind"] == Kind.CHECK]
        if len(left) and len(right):
            pairs = zip(hashes(left[0]), hashes(right[0]), strict=True)
            for name, (one, other) in zip(self._core.names, pairs, strict=False):
                if one != other:
                    return str(name)
        return "execution.orders"

    def _faulted(self, block: Block) -> Divergence:
        text = self._core.fault_text() or "a fault"
        return Divergence(block.block, 0, block.first_position, 0, text.split(":")[0], "FAULT", "no fault", text)


def hashes(check: np.void) -> np.ndarray:
    """The eight 32-bit hashes of a CHECK record."""
    raw = np.array([check]).view(np.uint32)
    return raw[8:16]


def describe(record: np.void) -> str:
    """One record, short."""
    kind = Kind(int(record["kind"]))
    if kind == Kind.CHECK:
        return f"CHECK {int(record['sequence'])} " + " ".join(f"{word:08x}" for word in hashes(record))
    return (
        f"{kind.name} {int(record['order_id'])} price_ticks {int(record['price_ticks'])} "
        f"quantity_lots {int(record['quantity_lots'])} extra {int(record['extra'])}"
    )

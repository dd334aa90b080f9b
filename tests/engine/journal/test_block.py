import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import IntegrityError
from engine.journal.block import HEADER, BlockBuffer, Progress, block_bytes, decode, first_chain, is_input, whole
from ipc.messages import MESSAGE, Flag, Kind, messages
from tests.engine.journal.records import journal_records, order_message

CAPACITY = 300


def sealed(inputs: int, seed: int, progress: Progress) -> tuple[bytes, Progress]:
    records = journal_records(inputs, seed)
    buffer = BlockBuffer(CAPACITY)
    buffer.records[: len(records)] = records
    view, after = buffer.seal(len(records), 3, progress)
    return bytes(view), after


@given(st.integers(1, 150), st.integers(0, 2**32), st.integers(0, 2**60), st.integers(0, 2**60))
@settings(deadline=None)
def test_a_sealed_block_decodes_to_what_was_put_in(inputs: int, seed: int, position: int, ring_position: int) -> None:
    progress = Progress(
        block=9,
        position=position,
        chain=first_chain("r"),
        orders=4,
        inputs=5,
        ring_epoch=2,
        ring_position=ring_position,
    )
    data, after = sealed(inputs, seed, progress)
    block = decode(data, 3, 9, first_chain("r"))
    records = journal_records(inputs, seed)
    assert block.records.tobytes() == records.tobytes()
    assert len(data) == block_bytes(len(records))
    assert block.progress() == after
    assert (block.first_position, block.ring_position) == (position, ring_position)
    assert block.inputs == 5 + inputs


@given(st.integers(1, 60), st.integers(0, 2**32), st.data())
@settings(deadline=None)
def test_any_flipped_bit_is_found_and_a_record_named(inputs: int, seed: int, draw: st.DataObject) -> None:
    data, _ = sealed(inputs, seed, Progress(block=9, position=40, chain=first_chain("r")))
    at = draw.draw(st.integers(0, len(data) - 1))
    damaged = bytearray(data)
    damaged[at] ^= 1 << draw.draw(st.integers(0, 7))
    with pytest.raises(IntegrityError) as caught:
        decode(bytes(damaged), 3, 9, first_chain("r"))
    assert "segment 3, block 9" in str(caught.value)
    record = (at - HEADER.itemsize) // MESSAGE.itemsize
    if 0 <= record < len(journal_records(inputs, seed)):
        assert f"record {record} (position {40 + record})" in str(caught.value)


@given(st.integers(1, 60), st.integers(0, 2**32), st.integers(1, 200))
@settings(deadline=None)
def test_a_cut_block_is_refused(inputs: int, seed: int, missing: int) -> None:
    data, _ = sealed(inputs, seed, Progress(block=9, position=0, chain=first_chain("r")))
    with pytest.raises(IntegrityError):
        decode(data[: max(0, len(data) - missing)], 3, 9, first_chain("r"))


def test_a_block_that_was_moved_or_replaced_is_refused() -> None:
    first, after = sealed(10, 1, Progress(block=0, position=0, chain=first_chain("r")))
    second, _ = sealed(10, 2, after)
    other, _ = sealed(10, 3, Progress(block=0, position=0, chain=first_chain("r")))
    chain = decode(other, 3, 0, first_chain("r")).chain
    with pytest.raises(IntegrityError, match="does not follow"):
        decode(second, 3, 1, chain)
    with pytest.raises(IntegrityError, match="says segment 3, block 0"):
        decode(first, 3, 1, after.chain)
    with pytest.raises(IntegrityError, match="does not follow"):
        decode(first, 3, 0, first_chain("another run"))


def test_a_message_without_its_continuation_is_not_whole() -> None:
    order = order_message(1)
    assert whole(order) == 2
    assert whole(order[:1]) == 0
    assert whole(np.concatenate([order, order[:1]])) == 2
    assert whole(messages(0)) == 0


def test_inputs_are_first_records_of_what_the_core_consumed() -> None:
    records = journal_records(20)
    inputs = is_input(records)
    assert np.count_nonzero(inputs) == 20
    assert not np.any(np.isin(records["kind"][inputs], [Kind.ORDER, Kind.CHECK, Kind.DETAIL]))
    assert not np.any(records["flags"][inputs] & Flag.QUOTE_SIDE)

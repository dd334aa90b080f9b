import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.journal import reference
from engine.journal.checksum import crc32c, record_checksums


def test_check_value_of_the_standard() -> None:
    assert crc32c(b"123456789") == reference.crc32c(b"123456789") == 0xE3069283


@given(st.binary(max_size=200))
def test_any_bytes_agree_with_the_reference(data: bytes) -> None:
    assert crc32c(data) == reference.crc32c(data)


@given(st.integers(0, 9), st.integers(0, 2**32))
def test_each_record_agrees_with_the_reference(count: int, seed: int) -> None:
    words = np.random.default_rng(seed).integers(0, 2**64, (count, 8), dtype=np.uint64)
    out = np.zeros(count, dtype=np.uint32)
    record_checksums(words, out)
    assert out.tolist() == [reference.crc32c(row.tobytes()) for row in words]


def test_too_few_places_are_refused() -> None:
    with pytest.raises(ValueError, match="places"):
        record_checksums(np.zeros((3, 8), np.uint64), np.zeros(2, np.uint32))

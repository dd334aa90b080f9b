import numpy as np
from numpy.typing import NDArray

def crc32c(data: bytes | bytearray | memoryview | NDArray[np.uint8]) -> int:
    """CRC-32C of any bytes."""

def record_checksums(words: NDArray[np.uint64], out: NDArray[np.uint32]) -> None:
    """CRC-32C of each record: words of shape (n, 8), out of at least (n,). Raises ValueError on another shape."""

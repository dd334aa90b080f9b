"""CRC-32C bit by bit: the truth that `checksum.pyx` is held to (Castagnoli 1993; RFC 3720, appendix B.4)."""

POLYNOMIAL_REFLECTED = 0x82F63B78


def crc32c(data: bytes) -> int:
    """CRC-32C of `data`; the check value of b"123456789" is 0xE3069283."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (POLYNOMIAL_REFLECTED if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF

ENUMERATORS: dict[str, dict[str, int]]
MESSAGE_FIELDS: dict[str, tuple[int, int]]
ORDER_DETAIL_FIELDS: dict[str, tuple[int, int]]
REPORT_DETAIL_FIELDS: dict[str, tuple[int, int]]

def verify() -> None:
    """Raises ImportError when a size, an offset or a value differs."""

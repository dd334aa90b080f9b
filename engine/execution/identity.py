"""Client order ids: a run and a number make the id, so a restarted engine asks for its orders by the same names."""

import re

MAXIMUM_LENGTH = 36  # Binance: ^[.A-Z:/a-z0-9_-]{1,36}$
_RUN_ID = re.compile(r"[.A-Z:/a-z0-9_-]+")
_CLIENT_ORDER_ID = re.compile(r"([.A-Z:/a-z0-9_-]+)-([1-9][0-9]{0,18})")
_LARGEST_NUMBER = (1 << 62) - 1


def client_order_id(run_id: str, number: int) -> str:
    """The id of order `number` (from 1, below 2**62) of a run. Raises ValueError where the venue would refuse it."""
    if not _RUN_ID.fullmatch(run_id):
        raise ValueError(f"run id {run_id!r} may hold only . A-Z : / a-z 0-9 _ -")
    if not 1 <= number <= _LARGEST_NUMBER:
        raise ValueError(f"order number must be from 1 to 2**62 - 1, is {number}")
    text = f"{run_id}-{number}"
    if len(text) > MAXIMUM_LENGTH:
        raise ValueError(f"client order id {text!r} has {len(text)} characters, the venue takes {MAXIMUM_LENGTH}")
    return text


def order_number(run_id: str, text: str) -> int | None:
    """The number in a client order id of this run; None for an id of another run or of somebody else."""
    match = _CLIENT_ORDER_ID.fullmatch(text)
    if match is None or match.group(1) != run_id or len(text) > MAXIMUM_LENGTH:
        return None
    number = int(match.group(2))
    return number if number <= _LARGEST_NUMBER else None

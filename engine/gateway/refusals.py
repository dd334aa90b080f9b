"""What Binance's error codes mean to us (errors.md of its spot API)."""

import sys

from ipc.messages import Refusal

# Codes after which nobody knows whether the request was carried out: ask, never assume.
UNCERTAIN = frozenset({-1000, -1001, -1006, -1007, -1008, -1016})
DUPLICATE_TEXT = "Duplicate order sent."
TIMESTAMP_CODE = -1021
RATE_LIMIT_CODE = -1003  # of all requests; -1015 is of new orders alone
NO_SUCH_ORDER = -2013
UNKNOWN_ORDER = -2011
PARTLY_REPLACED = -2021
NOT_REPLACED = -2022

_BY_CODE = {
    RATE_LIMIT_CODE: Refusal.VENUE_RATE_LIMIT,
    -1015: Refusal.VENUE_RATE_LIMIT,
    -1013: Refusal.VENUE_FILTER,
    -1111: Refusal.VENUE_FILTER,
    TIMESTAMP_CODE: Refusal.VENUE_TIMEOUT,
    UNKNOWN_ORDER: Refusal.VENUE_UNKNOWN_ORDER,
    NO_SUCH_ORDER: Refusal.VENUE_UNKNOWN_ORDER,
}
_BY_TEXT = {
    "Account has insufficient balance for requested action.": Refusal.VENUE_INSUFFICIENT_BALANCE,
    "Order would immediately match and take.": Refusal.VENUE_WOULD_TAKE,
    DUPLICATE_TEXT: Refusal.GATEWAY_DUPLICATE_NUMBER,
}


def refusal_of(code: int, text: str) -> Refusal:
    """The stable code of a venue's refusal; VENUE_REJECTED for what has none of its own."""
    if text.startswith("Filter failure"):
        return Refusal.VENUE_FILTER
    return _BY_TEXT.get(text) or _BY_CODE.get(code, Refusal.VENUE_REJECTED)


def is_uncertain(status: int, code: int, text: str) -> bool:
    """Whether the request may have been carried out in spite of the error: then the order is queried."""
    return status >= 500 or code in UNCERTAIN or text == DUPLICATE_TEXT


class VenueWords:
    """The venue's own words of refusals that have no code of ours, in the log: each once, and so many at most."""

    MOST = 200

    def __init__(self) -> None:
        self._said: set[tuple[int, str]] = set()

    def refusal_of(self, client_id: str, code: int, text: str) -> Refusal:
        """As the function of this name; what it calls VENUE_REJECTED is noted."""
        found = refusal_of(code, text)
        if found == Refusal.VENUE_REJECTED and (code, text) not in self._said and len(self._said) < self.MOST:
            self._said.add((code, text))
            print(f"{client_id}: the venue refused it: {code} {text[:200]}", file=sys.stderr)
        return found

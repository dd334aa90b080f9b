"""Whether an estimate may be used, and what was done to it: stable codes first, for people the rest."""

import msgspec


class Health(msgspec.Struct, frozen=True):
    """`ok`: the estimate may be used. `code`: stable, upper case, OK when it is. `note`: one line for people."""

    ok: bool
    code: str
    note: str


HEALTHY = Health(True, "OK", "")


def unhealthy(code: str, note: str) -> Health:
    return Health(False, code, note)

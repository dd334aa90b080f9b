"""The audit finds what it is there to find: each planted difference between the exchange's record and the run."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.recovery.audit import audit

pytestmark = pytest.mark.recovery
Entries = list[dict[str, Any]]


def last(entries: Entries, event: str) -> int:
    return max(at for at, entry in enumerate(entries) if entry["event"] == event)


def sent_twice(entries: Entries) -> None:
    entries.append(entries[last(entries, "received")])


def never_received(entries: Entries) -> None:
    name = entries[last(entries, "accepted")]["client_id"]
    entries[:] = [entry for entry in entries if entry["client_id"] != name]


def said_by_nobody(entries: Entries) -> None:
    entry = entries[last(entries, "received")]
    entries.append(entry | {"client_id": entry["client_id"].rpartition("-")[0] + "-999999"})


def a_fill_more(entries: Entries) -> None:
    entries.append(entries[last(entries, "fill")] | {"trade_id": 10**9})


def a_fill_less(entries: Entries) -> None:
    del entries[last(entries, "fill")]


def still_open(entries: Entries) -> None:
    del entries[last(entries, "cancelled")]


@pytest.mark.parametrize("plant", [sent_twice, never_received, said_by_nobody, a_fill_more, a_fill_less, still_open])
def test_a_planted_difference_is_found(plant: Callable[[Entries], None], finished: Path, tmp_path: Path) -> None:
    audit(finished)
    entries = [json.loads(line) for line in (finished / "ledger.jsonl").read_text().splitlines()]
    plant(entries)
    ledger = tmp_path / "ledger.jsonl"
    ledger.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    with pytest.raises(AssertionError):
        audit(finished, ledger)

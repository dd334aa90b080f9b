"""The runbook knows every refusal, in the words that reports and status use."""

import re

from engine.telemetry.refusal_meanings import MEANINGS
from ipc.messages import Refusal
from tests.architecture.tree import PROJECT

ROW = re.compile(r"^\| `([A-Z_]+)` \| (\d+) \| (.+) \| (.+) \|$", re.MULTILINE)


def test_every_refusal_has_a_meaning_and_a_mend() -> None:
    assert set(MEANINGS) == set(Refusal) - {Refusal.NONE}
    assert all(meaning.endswith(".") and mend.endswith(".") for meaning, mend in MEANINGS.values())


def test_the_table_of_the_runbook_is_the_one_that_reports_show() -> None:
    rows = ROW.findall((PROJECT / "docs" / "RUNBOOK.md").read_text())
    assert {name: (int(number), what, mend) for name, number, what, mend in rows} == {
        code.name: (int(code), *words) for code, words in MEANINGS.items()
    }
    assert len(rows) == len(MEANINGS)

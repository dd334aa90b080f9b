"""The protocol of kill -9 and power loss, model-checked; and every wrong order of its steps, found wanting."""

from dataclasses import replace

import pytest

from tests.engine.journal.protocol_model import Bounds, Model, Rules, Wanting, switches

ONE_CRASH = Bounds(crashes=1)
POWER_CUT = Bounds(orders_of_input=(1, 1), crashes=0, power_cuts=1)
NEEDS_POWER_CUT = {"sends_only_what_is_journaled", "counts_a_commit_as_on_disk_after_the_next"}


@pytest.mark.parametrize(
    ("bounds", "least_states"),
    [
        (Bounds(crashes=0), 3_000),
        (Bounds(crashes=2), 90_000),
        (Bounds(crashes=1, power_cuts=1), 90_000),
        (Bounds(crashes=0, power_cuts=2), 20_000),
    ],
    ids=lambda value: str(value) if isinstance(value, Bounds) else "",
)
def test_the_protocol_holds_after_a_crash_at_every_step(bounds: Bounds, least_states: int) -> None:
    model = Model(Rules(), bounds)
    model.check()
    assert model.states > least_states  # so many were really walked


@pytest.mark.parametrize("rule", switches())
def test_without_this_rule_an_order_is_lost_or_doubled_or_the_journal_does_not_replay(rule: str) -> None:
    model = Model(replace(Rules(), **{rule: False}), POWER_CUT if rule in NEEDS_POWER_CUT else ONE_CRASH)
    with pytest.raises(Wanting):
        model.check()
    assert model.counterexample


def test_with_durability_ring_a_power_cut_can_leave_the_venue_ahead_of_the_journal() -> None:
    """Why `ring` has to ask the venue after a power cut, and what it costs not to wait for the disk."""
    model = Model(replace(Rules(), sends_only_what_is_journaled=False), POWER_CUT)
    with pytest.raises(Wanting, match="not in the journal ring"):
        model.check()
    assert any(step.startswith("POWER CUT") for step in model.counterexample)


def test_publishing_before_journaling_is_wanting_without_any_crash() -> None:
    model = Model(replace(Rules(), journals_outputs_before_publishing=False), Bounds(crashes=0))
    with pytest.raises(Wanting, match="can reach the venue and is not in the journal ring"):
        model.check()

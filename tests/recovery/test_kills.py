"""kill -9 of feed, core, gateway, journal, follower, or all at once, at random instants of a living run."""

from pathlib import Path

import pytest

from engine.journal.reader import Journal
from engine.replay.replay import replay
from ipc.ring import Ring
from tests.recovery.audit import audit, order_numbers
from tests.recovery.living_run import LivingRun, eager_config, kills_of_share, shared_memory

pytestmark = pytest.mark.recovery
KILLS = kills_of_share(50, least=5)


@pytest.mark.timeout(60 + 10 * KILLS)
def test_killed_at_random_nothing_is_lost_or_doubled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with shared_memory() as shared, LivingRun.started(eager_config(tmp_path, shared, seed=1), monkeypatch) as run:
        run.await_orders(20)
        run.kill_at_random(KILLS)
        run.settle()
        found = audit(run.finish())
    print(found, {name: f"{sorted(times)[len(times) // 2]:.2f} s" for name, times in run.restart_s.items()})
    assert found.placed > KILLS


@pytest.mark.parametrize("victims", [("journal",), ("core",), ("journal", "core"), ("gateway", "feed")])
def test_killed_last_before_the_end_the_journal_is_whole(
    victims: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No supervisor restarts them any more: what they left in the rings is still journaled."""
    with shared_memory() as shared, LivingRun.started(eager_config(tmp_path, shared, seed=4), monkeypatch) as run:
        run.await_orders(20)
        for victim in victims:
            run.kill(victim)
        published = Ring.attach(run.files.ring("orders")).head // 2
        folder = run.finish()
        assert not list(shared.glob("*/*/*.ring"))
    journal = Journal.open(folder)
    assert journal.manifest.closed
    assert len(order_numbers(journal.read())["all"]) >= published
    assert replay(folder)["identical"]

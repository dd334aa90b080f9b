"""kill -9 of feed, core, gateway, journal, follower, or all at once, at random instants of a living run."""

import os
from pathlib import Path

import pytest

from tests.recovery.audit import audit
from tests.recovery.living_run import LivingRun, eager_config, shared_memory

pytestmark = pytest.mark.recovery
KILLS = int(os.environ.get("BOT4_KILLS", "20"))
SEED = int(os.environ.get("BOT4_SEED", "1"))


@pytest.mark.timeout(60 + 10 * KILLS)
def test_killed_at_random_nothing_is_lost_or_doubled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with shared_memory() as shared, LivingRun.started(eager_config(tmp_path, shared, seed=SEED), monkeypatch) as run:
        run.await_orders(20)
        run.kill_at_random(KILLS)
        run.settle()
        found = audit(run.finish())
    print(found, {name: f"{sorted(times)[len(times) // 2]:.2f} s" for name, times in run.restart_s.items()})
    assert found.placed > KILLS

"""Kills while the exchange misbehaves: takes an order and drops the answer, cuts the connection after taking it, ..."""

from pathlib import Path

import pytest

from engine.exchange.config import Fault
from tests.recovery.audit import audit
from tests.recovery.living_run import LivingRun, eager_config, kills_of_share, shared_memory

pytestmark = pytest.mark.recovery
KILLS = kills_of_share(5, least=2)
FAULTS = {
    "answers dropped": (
        Fault(point="answer", action="drop", probability=0.05, method="order.place"),
        Fault(point="answer", action="drop", probability=0.05, method="order.cancelReplace"),
        Fault(point="answer", action="drop", probability=0.05, method="order.cancel"),
    ),
    "cut after accepting": (
        Fault(point="answer", action="disconnect", probability=0.02, method="order.place"),
        Fault(point="answer", action="disconnect", probability=0.02, method="order.cancelReplace"),
    ),
    "requests and events lost": (
        Fault(point="request", action="drop", probability=0.03, method="order.place"),
        Fault(point="request", action="drop", probability=0.03, method="order.cancelReplace"),
        Fault(point="event", action="drop", probability=0.05),
    ),
}


@pytest.mark.timeout(60 + 15 * KILLS)
@pytest.mark.parametrize("faults", FAULTS.values(), ids=[name.replace(" ", "-") for name in FAULTS])
def test_killed_while_the_exchange_misbehaves_nothing_is_lost_or_doubled(
    faults: tuple[Fault, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        shared_memory() as shared,
        LivingRun.started(eager_config(tmp_path, shared, seed=7, faults=faults), monkeypatch) as run,
    ):
        run.await_orders(20)
        run.kill_at_random(KILLS, ("gateway", "core", "gateway", "all"))
        run.settle()
        found = audit(run.finish())
    assert found.placed > KILLS
    print(found)

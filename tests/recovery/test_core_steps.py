"""The core killed at each step of its cycle, by the hook of the checked build, at inputs that say orders.

Before STEP_DECIDED nobody knows whether an input will say orders; but what a kill at STEP_INPUT_JOURNALED leaves behind
is what one at STEP_DECIDED leaves, and STEP_BEFORE leaves the input in its ring: so those two are killed at any input.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from engine.loop import CRASH_POINTS, CrashPoint
from tests.recovery.audit import audit
from tests.recovery.living_run import LivingRun, eager_config, kills_of_share, shared_memory

pytestmark = [
    pytest.mark.recovery,
    pytest.mark.skipif(not CRASH_POINTS, reason="the crash hook is only in the checked build: make test-checked"),
]
ROUNDS = kills_of_share(32, least=len(CrashPoint)) // len(CrashPoint)
ORDERS_OF_INPUT = {
    CrashPoint.STEP_BEFORE: 0,
    CrashPoint.STEP_INPUT_JOURNALED: 0,
    CrashPoint.STEP_BETWEEN_ORDERS: 2,
}


@pytest.mark.timeout(120 + 60 * ROUNDS)
def test_killed_at_each_step_of_its_cycle_the_core_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with shared_memory() as shared, LivingRun.started(eager_config(tmp_path, shared, seed=2), monkeypatch) as run:
        run.await_orders(20)
        armed = arm_each_start(run)
        run.kill("core")  # the first start with a hook
        for step in [step for _ in range(ROUNDS) for step in CrashPoint]:
            before = run.run.supervisor.child("core").restarts
            run.watch_until(lambda before=before: run.run.supervisor.child("core").restarts > before)  # type: ignore[misc]
            assert next(armed) == step
            run.kills += 1
        run.watch_until(lambda: run.run.supervisor.beats("core"))
        run.kill("core")  # the last start has none
        run.await_back("core")
        run.await_orders(20)
        run.settle()
        found = audit(run.finish())
    assert found.orders >= run.kills
    print(found, run.kills)


def arm_each_start(run: LivingRun) -> Iterator[CrashPoint]:
    """Every start of the core from now on gets the next step to die at; gives the steps in the order of the starts."""
    core, given = run.run.supervisor.child("core"), []
    plain = core.settings
    steps = iter([step for _ in range(ROUNDS) for step in CrashPoint])

    def settings() -> msgspec.Struct:
        step = next(steps, None)
        if step is None:
            return plain()
        given.append(step)
        return msgspec.structs.replace(
            plain(),
            crash_input=run.random.randint(1, 2_000),
            crash_step=int(step),
            crash_orders=ORDERS_OF_INPUT.get(step, 1),
        )

    core.settings = settings
    return iter(given)

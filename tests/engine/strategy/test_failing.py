"""An instance that fails leaves nothing in the book: its orders are cancelled, now or when they are confirmed."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engine.strategy.loader import Strategy
from ipc.messages import Action, Kind, OrderState, Refusal, ReportKind
from tests.engine.strategy.rig import MILLISECOND_NS, Rig, details

FAILING = """
    class Params:
        index: int = 0
    class State:
        n: int
    def on_book(state, params, book):
        state.n = book.bid_price_ticks[params.index]
"""
ACCEPTED, PARTLY, PENDING = OrderState.ACCEPTED, OrderState.PARTLY_FILLED, OrderState.PENDING


@pytest.fixture(params=["compiled", "uncompiled"])
def rig(request: pytest.FixtureRequest, cache: Path, strategy_of: Callable[..., Strategy]) -> Rig:
    """Two instances, the second of which fails with the first book; orders 1 to 4 are its own."""
    strategy = strategy_of(FAILING)
    folder = cache if request.param == "compiled" else None
    made = Rig([(strategy, 0, {}), (strategy, 0, {"index": 10})], folder)
    for slot, state in enumerate((ACCEPTED, PENDING, PARTLY, OrderState.CANCEL_PENDING)):
        made.account["working"][1][slot]["order_id"], made.account["working"][1][slot]["state"] = slot + 1, state
    made.account["working"][0][0]["order_id"], made.account["working"][0][0]["state"] = 9, ACCEPTED
    return made


def cancelled(said: np.ndarray) -> list[int]:
    """Orders that the failed instance asked to cancel; it must have asked for nothing else."""
    intents = said[::2]["kind"] == Kind.INTENT
    asked = details(said)[intents]
    assert set(asked["action"]) <= {Action.CANCEL}
    assert set(asked["strategy"]) <= {1}
    return [int(order_id) for order_id in asked["target_order_id"]]


def test_its_confirmed_orders_are_cancelled_at_once_and_nobody_elses(rig: Rig) -> None:
    said = rig.quote(10, 11)
    assert said["extra"][0] == Refusal.STRATEGY_FAILED
    assert cancelled(said[2:]) == [1, 3]
    assert cancelled(rig.quote(10, 11)) == []


def test_an_order_that_was_under_way_is_cancelled_when_it_is_confirmed(rig: Rig) -> None:
    rig.quote(10, 11)
    rig.account["working"][1]["order_id"] = 0
    rig.account["working"][1][1]["order_id"], rig.account["working"][1][1]["state"] = 2, ACCEPTED
    assert cancelled(rig.tell(1, ReportKind.ACCEPTED, order_id=2)) == [2]


def test_a_cancel_that_the_venue_rejects_is_asked_again_with_the_next_bar_only(rig: Rig) -> None:
    rig.quote(10, 11)
    rig.account["working"][1][3]["state"] = ACCEPTED
    assert cancelled(rig.tell(1, ReportKind.CANCEL_REJECTED, order_id=4)) == []
    rig.now_ns += 999 * MILLISECOND_NS
    assert cancelled(rig.send(Kind.TIME)) == []
    rig.now_ns += MILLISECOND_NS
    assert cancelled(rig.send(Kind.TIME)) == [1, 3, 4]


def test_a_restored_core_still_knows_what_to_cancel(rig: Rig) -> None:
    rig.quote(10, 11)
    photograph = rig.stage.snapshot()
    other = Rig([(bound.strategy, 0, bound.params) for bound in rig.bound], None)
    other.account[:] = rig.account
    other.stage.restore(photograph)
    other.now_ns += 1_000 * MILLISECOND_NS
    assert cancelled(other.send(Kind.TIME)) == [1, 3]
    assert list(other.stage.failed()) == [1]

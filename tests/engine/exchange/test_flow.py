"""The order flow: the same for the same seed, near its rate, clustered, and around a living book."""

import math

import numpy as np
import pytest

from engine.exchange.config import FlowSettings
from engine.exchange.events import Event
from engine.exchange.flow import OrderFlow
from engine.exchange.matching import MatchingEngine
from ipc.messages import Side

SETTINGS = FlowSettings(resting_orders_per_side=200)


def run(seed: int, events: int, settings: FlowSettings = SETTINGS) -> tuple[list[Event], list[float], MatchingEngine]:
    engine = MatchingEngine()
    flow = OrderFlow(settings, 6_000_000, (seed,))
    flow.seed_book(engine)
    said: list[Event] = []
    pauses = []
    for _ in range(events):
        pauses.append(flow.pause_s())
        flow.act(engine)
        said += engine.events()
        flow.learn(engine.events())
        assert flow.resting == engine.resting
    return said, pauses, engine


def test_same_seed_gives_the_same_market_and_another_seed_another() -> None:
    first, again, other = (run(seed, 2_000)[0] for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_arrivals_have_the_rate_asked_for_and_come_in_clusters() -> None:
    _, pauses, _ = run(3, 20_000)
    arrivals = np.cumsum(pauses)
    assert len(pauses) / arrivals[-1] == pytest.approx(SETTINGS.events_per_s, rel=0.15)
    counts, _ = np.histogram(arrivals, bins=int(arrivals[-1]))
    assert counts.var() / counts.mean() > 2.0  # a Poisson process has 1, this one 1 / (1 - branching ratio)^2


def test_book_stays_two_sided_and_near_its_size() -> None:
    _, _, engine = run(4, 10_000)
    bid, ask = engine.best(Side.BID)[0], engine.best(Side.ASK)[0]
    assert 0 < bid < ask
    assert math.isclose(bid, 6_000_000, rel_tol=0.01)
    assert 200 < engine.resting < 800
    assert len(engine.depth(Side.BID, 1_000)) > 20


@pytest.mark.parametrize(("field", "value"), [("branching_ratio", 1.0), ("events_per_s", -1.0)])
def test_impossible_setting_is_named(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"flow.{field}"):
        FlowSettings(**{field: value})

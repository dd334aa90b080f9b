"""Everybody else: a seeded order flow of near-zero intelligence around a slow-moving fundamental price.

Arrivals cluster: a Hawkes process with an exponential kernel, simulated exactly (Dassios and Zhao 2013, "Exact
simulation of Hawkes process with exponentially decaying intensity"). What arrives is a limit order, a market order or a
cancellation with random side (Smith, Farmer, Gillemot and Krishnamurthy 2003; Cont, Stoikov and Talreja 2010):
* a limit order joins or betters the best price, or lies a Pareto-distributed distance from the fundamental price;
* a cancellation takes a random resting order; the more orders rest, the more cancellations, so the book keeps its size;
* sizes are Pareto-distributed. The fundamental price is a driftless random walk. Takers lean towards it, and nobody
  joins a best price on the wrong side of it (Glosten and Milgrom 1985), so the book follows by trading.

The same seed gives the same commands as long as the book answers the same.
"""

import math

import numpy as np

from engine.exchange.config import FlowSettings
from engine.exchange.events import Event, EventKind
from engine.exchange.matching import MatchingEngine
from ipc.messages import OrderType, Side, TimeInForce

OWNER = 0  # many people: exempt from the self-trade rule
BLOCK = 4_096
MAXIMUM_OFFSET_TICKS = 1_000_000


class Draws:
    """Uniform and normal numbers from one generator, drawn in blocks."""

    def __init__(self, seed: tuple[int, ...]) -> None:
        self._generator = np.random.default_rng(seed)
        self._uniform: list[float] = []
        self._normal: list[float] = []

    def uniform(self) -> float:
        """In (0, 1)."""
        if not self._uniform:
            self._uniform = (1.0 - self._generator.random(BLOCK)).tolist()
        return min(self._uniform.pop(), 1.0 - 2**-53)

    def normal(self) -> float:
        if not self._normal:
            self._normal = self._generator.standard_normal(BLOCK).tolist()
        return self._normal.pop()

    def pareto(self, tail: float) -> float:
        """At least 1, P(X > x) = x ** -tail."""
        return float(self.uniform() ** (-1.0 / tail))

    def index(self, count: int) -> int:
        return min(int(self.uniform() * count), count - 1)


class OrderFlow:
    """The flow of one symbol. `pause_s` and `act` alternate; `learn` hears of every event in the book."""

    def __init__(self, settings: FlowSettings, start_price_ticks: int, seed: tuple[int, ...]) -> None:
        self._settings = settings
        self._draws = Draws(seed)
        self.fundamental_ticks = float(start_price_ticks)
        self._base_rate = settings.events_per_s * (1.0 - settings.branching_ratio)
        self._excess = settings.events_per_s - self._base_rate
        self._orders: list[int] = []
        self._place: dict[int, int] = {}  # order id -> index in _orders

    # -- QUERIES --

    @property
    def resting(self) -> int:
        return len(self._orders)

    # -- COMMANDS --

    def seed_book(self, engine: MatchingEngine) -> None:
        """Fills an empty book on both sides of the fundamental price."""
        for _ in range(self._settings.resting_orders_per_side):
            for side in (Side.BID, Side.ASK):
                self._limit(engine, side, self._far_price(side))
                self.learn(engine.events())

    def pause_s(self) -> float:
        """Seconds until the next event; moves intensity and fundamental price to that moment."""
        decay, draws = self._settings.cluster_decay_per_s, self._draws
        pause = -math.log(draws.uniform()) / self._base_rate
        if self._excess > 0:
            survival = 1.0 + decay * math.log(draws.uniform()) / self._excess
            if survival > 0:
                pause = min(pause, -math.log(survival) / decay)
        jump = self._settings.branching_ratio * decay
        self._excess = self._excess * math.exp(-decay * pause) + jump
        deviation = self.fundamental_ticks * self._settings.volatility_per_sqrt_s * math.sqrt(pause)
        self.fundamental_ticks = max(self.fundamental_ticks + deviation * draws.normal(), 100.0)
        return pause

    def act(self, engine: MatchingEngine) -> None:
        """One command to the book; what it caused stands in engine.events()."""
        settings, draws = self._settings, self._draws
        choice = draws.uniform()
        side = Side.BID if draws.uniform() < 0.5 else Side.ASK
        if choice < settings.market_share:
            side = Side.BID if draws.uniform() < self._share_of_buyers(engine) else Side.ASK
            engine.submit(OWNER, side, OrderType.MARKET, TimeInForce.IOC, 0, self._size())
            return
        fullness = len(self._orders) / (4.0 * settings.resting_orders_per_side)
        share_of_limits = min(max(1.0 - fullness, 0.05), 0.95)
        if draws.uniform() > share_of_limits:
            engine.cancel(self._orders[draws.index(len(self._orders))])
            return
        near = draws.uniform() < settings.join_share
        self._limit(engine, side, self._near_price(engine, side) if near else self._far_price(side))

    def learn(self, events: list[Event]) -> None:
        """Keeps the list of the flow's own resting orders, whoever caused the events."""
        rests: dict[int, int] = {}
        for event in events:
            kind, order_id, owner = event[0], event[2], event[3]
            if kind == EventKind.TRADE:
                if order_id in rests:
                    rests[order_id] = event[6]
                if event[8] == OWNER and event[9] == 0:
                    self._forget(event[7])
            elif owner != OWNER or kind == EventKind.LEVEL:
                continue
            elif kind == EventKind.ACCEPTED:
                rests[order_id] = event[6]
            elif kind == EventKind.CANCELLED:
                self._forget(order_id)
            elif kind == EventKind.EXPIRED:
                rests[order_id] = 0
        for order_id, lots in rests.items():
            if lots > 0:
                self._place[order_id] = len(self._orders)
                self._orders.append(order_id)

    def _forget(self, order_id: int) -> None:
        index = self._place.pop(order_id, None)
        if index is None:
            return
        last = self._orders.pop()
        if last != order_id:
            self._orders[index] = last
            self._place[last] = index

    def _limit(self, engine: MatchingEngine, side: Side, price_ticks: int) -> None:
        engine.submit(OWNER, side, OrderType.LIMIT, TimeInForce.GTC, max(price_ticks, 1), self._size())

    def _size(self) -> int:
        settings = self._settings
        lots = settings.size_minimum_lots * self._draws.pareto(settings.size_tail)
        return int(min(lots, settings.size_maximum_lots))

    def _far_price(self, side: Side) -> int:
        """Around the fundamental price."""
        settings = self._settings
        distance = settings.offset_scale_ticks * (self._draws.pareto(settings.offset_tail) - 1.0)
        offset = settings.half_spread_ticks + min(distance, MAXIMUM_OFFSET_TICKS)
        price = self.fundamental_ticks - offset if side == Side.BID else self.fundamental_ticks + offset
        return math.floor(price) if side == Side.BID else math.ceil(price)

    def _share_of_buyers(self, engine: MatchingEngine) -> float:
        """Of takers: one half while the mid is the fundamental price, more the further the mid lies below it."""
        (bid, _), (ask, _) = engine.best(Side.BID), engine.best(Side.ASK)
        if not bid or not ask:
            return 0.5
        away = (self.fundamental_ticks - (bid + ask) / 2.0) / self._settings.lean_ticks
        return 0.5 + 0.5 * away / (1.0 + abs(away))

    def _near_price(self, engine: MatchingEngine, side: Side) -> int:
        """At the best price, or one tick better where there is room."""
        (bid, _), (ask, _) = engine.best(Side.BID), engine.best(Side.ASK)
        if not bid or not ask or (bid > self.fundamental_ticks if side == Side.BID else ask < self.fundamental_ticks):
            return self._far_price(side)
        better = int(ask - bid > 1 and self._draws.uniform() < 0.5)
        return bid + better if side == Side.BID else ask - better

"""No accepted sequence of orders ends with a true CVaR above the limit, however what is open fills."""

import numpy as np

from kernels.exposure import reference
from kernels.exposure.cpu import ExposureBook
from tests.kernels.exposure.test_bounds import LEVEL, draw_losses

BOOKS = 10_000
ORDERS = 10


class Market:
    """Orders of one book, open or filled, and the truth about it."""

    def __init__(self, seed: int) -> None:
        self.random = random = np.random.default_rng(seed)
        self.count = int(random.integers(1, 5))
        kind = ("free", "hedged", "flat", "same")[seed % 4]
        self.losses = draw_losses(random, self.count, kind)
        self.held = np.zeros(self.count)
        if kind == "hedged":
            self.held = np.where(np.arange(self.count) % 2, -1e11, 1e11)
        elif kind == "free":
            self.held = random.uniform(-1e11, 1e11, self.count)
        self.book = ExposureBook(self.losses, self.held, LEVEL)
        self.buys, self.sells = np.zeros(self.count), np.zeros(self.count)
        start = reference.cvar(self.held @ self.losses, LEVEL)
        self.limit = max(start, 0.0) * random.uniform(1.0, 2.0) + random.uniform(0.0, 1.0) * 2e9 + 100

    def place(self, index: int) -> None:
        self.book.place(index, self.held[index] - self.sells[index], self.held[index] + self.buys[index])

    def order(self, exactly: bool) -> bool:
        """One random order, a reducing one as such. Whether it was accepted."""
        index = int(self.random.integers(self.count))
        side, held = self.random.choice([-1.0, 1.0]), self.held[index]
        value = self.random.uniform(0.0, 1.5) * max(abs(held), 5e10)
        open_same = self.buys[index] if side > 0 else self.sells[index]
        reduces = held * side < 0 and value + open_same <= abs(held)
        verdict, _ = self.book.judge(index, side * value, self.limit, exactly, reduces)
        if not verdict.startswith("ACCEPTED"):
            return False
        (self.buys if side > 0 else self.sells)[index] += value
        self.place(index)
        return True

    def fill(self) -> None:
        """Part or all of what is open on a side of an instrument; the rest stays, or is cancelled."""
        index, buying = int(self.random.integers(self.count)), self.random.random() < 0.5
        orders = self.buys if buying else self.sells
        filled = orders[index] * self.random.choice([1.0, self.random.uniform()])
        self.held[index] += filled if buying else -filled
        orders[index] = (orders[index] - filled) * self.random.integers(0, 2)
        self.place(index)

    def true_worst(self) -> float:
        corners = np.array(np.meshgrid(*([0.0, 1.0],) * self.count)).reshape(self.count, -1).T
        values = (self.held - self.sells) + corners * (self.sells + self.buys)
        losses = np.sort(values @ self.losses, axis=1)
        return float(losses[:, -10:].mean(axis=1).max())


def test_no_accepted_sequence_ends_above_the_limit() -> None:
    """10,000 books: free, hedged, flat, and all of one instrument; the tail is 10 of 200 scenarios."""
    accepted = refused = 0
    for seed in range(BOOKS):
        market = Market(seed)
        for _ in range(ORDERS):
            if market.order(exactly=seed % 3 > 0):
                accepted += 1
            else:
                refused += 1
            if market.random.random() < 0.5:
                market.fill()
        assert market.true_worst() <= market.limit * (1 + 1e-9), seed
    assert accepted > BOOKS
    assert refused > BOOKS


def test_taking_off_a_hedge_is_judged_and_closing_a_lone_position_is_not_refused() -> None:
    losses = draw_losses(np.random.default_rng(1), 1)
    pair = np.concatenate([losses, losses * 1.01])
    hedged = ExposureBook(pair, [1e11, -1e11], LEVEL)
    limit = 0.2 * reference.cvar(losses[0] * 1e11, LEVEL)
    assert hedged.worst() < limit
    assert hedged.judge(1, 0.9e11, limit, reduces=True)[0] == "REFUSED_EXACTLY"
    alone = ExposureBook(losses, [1e11], LEVEL)
    full = reference.cvar(losses[0] * 1e11, LEVEL)
    for limit in (0.1 * full, 0.99 * full, full, 1.01 * full):  # within, at, and far beyond: the way out is open
        for share in (0.1, 0.5, 1.0):
            verdict, _ = alone.judge(0, -share * 1e11, limit, reduces=True)
            assert verdict.startswith("ACCEPTED"), (limit / full, share, verdict)


def test_one_that_crosses_zero_is_judged_whole() -> None:
    losses = draw_losses(np.random.default_rng(2), 1)
    book = ExposureBook(losses, [1e11], LEVEL)
    limit = 1.2 * max(reference.cvar(losses[0] * 1e11, LEVEL), reference.cvar(-losses[0] * 1e11, LEVEL))
    assert book.judge(0, -2.0e11, limit)[0].startswith("ACCEPTED")  # as far to the other side
    assert book.judge(0, -2.5e11, limit)[0].startswith("REFUSED")


def test_reducing_never_takes_a_book_over_the_limit_that_only_its_bounds_see_beyond_it() -> None:
    """Orders open on both sides: the scenario-wise worst is above the limit, what can be held with the hedge is not."""
    judged = 0
    for seed in range(2_000):
        random = np.random.default_rng(seed)
        losses = draw_losses(random, 3) * random.choice([-1.0, 1.0], 3)[:, None]
        held = random.normal(0.0, 1e11, 3)
        low, high = held - abs(random.normal(0.0, 1e11, 3)), held + abs(random.normal(0.0, 1e11, 3))
        added = -held[0] * random.uniform(0.2, 1.0)
        (low if held[0] > 0.0 else high)[0] = held[0]
        book = ExposureBook(losses, held, LEVEL)
        for index in range(3):
            book.place(index, low[index], high[index])
        before = reference.true_worst_cvar(losses, low, high, LEVEL)
        moved = np.array([added, 0.0, 0.0])
        after = reference.true_worst_cvar(losses, low + np.minimum(moved, 0.0), high + np.maximum(moved, 0.0), LEVEL)
        loosest = min(book.worst(), book.bounds()[1])
        if not before * (1 + 1e-6) < min(after, loosest):
            continue
        limit = 0.5 * (before + min(after, loosest))
        judged += 1
        assert book.judge(0, added, limit, reduces=True)[0] == "REFUSED_EXACTLY", seed
    assert judged > 100

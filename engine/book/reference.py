"""The obvious book: what `levels.pyx` and `stage.pyx` must agree with, and nothing more."""

from ipc.messages import Side

PRICE_LIMIT = 1 << 61  # ticks


class ReferenceLevels:
    """One side of a book as a dict from price to quantity, with no limit to its depth."""

    def __init__(self, side: int) -> None:
        self.side = side
        self.quantity_by_price: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self.quantity_by_price)

    def quantity(self, price_ticks: int) -> int:
        return self.quantity_by_price.get(price_ticks, 0)

    def best_levels(self, depth: int) -> list[tuple[int, int]]:
        prices = sorted(self.quantity_by_price, reverse=self.side == Side.BID)[:depth]
        return [(price, self.quantity_by_price[price]) for price in prices]

    def best(self) -> tuple[int, int] | None:
        return next(iter(self.best_levels(1)), None)

    def set(self, price_ticks: int, quantity_lots: int) -> bool:
        if quantity_lots < 0 or abs(price_ticks) >= PRICE_LIMIT:
            return False
        if quantity_lots == 0:
            self.quantity_by_price.pop(price_ticks, None)
        else:
            self.quantity_by_price[price_ticks] = quantity_lots
        return True

    def clear(self) -> None:
        self.quantity_by_price.clear()

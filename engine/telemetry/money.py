"""Positions and profit as people read them: exact integers turned into decimal text at the last moment."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ipc.instruments import ATOMS_PER_UNIT, from_units


@dataclass(frozen=True)
class Money:
    """Position and prices are of the first instrument, money over all of them, in quote units."""

    position: str
    average_price: str
    prices: str  # best bid / best ask
    realised: float
    unrealised: float
    fees: float
    fills: int

    @property
    def net(self) -> float:
        """Profit after fees."""
        return self.realised + self.unrealised - self.fees


def account_money(
    instruments: np.ndarray[Any, Any], accounts: np.ndarray[Any, Any], books: np.ndarray[Any, Any]
) -> Money:
    """From rows of ACCOUNT_VIEW and BOOK_VIEW, one an instrument. An open position without a book counts at cost."""
    realised = unrealised = Fraction(0)
    for row, account, book in zip(instruments, accounts, books, strict=True):
        unit = Fraction(int(row["atoms_numerator"]), int(row["atoms_denominator"])) / ATOMS_PER_UNIT
        realised += int(account["realised_tick_lots"]) * unit
        if book["bid_count"] and book["ask_count"]:
            mid = Fraction(int(book["bid_price_ticks"][0]) + int(book["ask_price_ticks"][0]), 2)
            unrealised += (mid * int(account["position_lots"]) - int(account["cost_tick_lots"])) * unit
    first, account, book = instruments[0], accounts[0], books[0]
    position = int(account["position_lots"])
    average = "-"
    if position:
        ticks = Fraction(int(account["cost_tick_lots"]), position)
        average = f"{float(ticks * int(first['tick_mantissa']) / 10 ** int(first['tick_exponent'])):,.4f}"
    prices = " / ".join(
        from_units(int(book[side][0]), first["tick_mantissa"], first["tick_exponent"])
        for side in ("bid_price_ticks", "ask_price_ticks")
    )
    return Money(
        position=from_units(position, first["lot_mantissa"], first["lot_exponent"]),
        average_price=average,
        prices=prices,
        realised=float(realised),
        unrealised=float(unrealised),
        fees=sum(int(row["fees_atoms"]) for row in accounts) / ATOMS_PER_UNIT,
        fills=sum(int(row["fills"]) for row in accounts),
    )

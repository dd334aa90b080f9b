"""Venue text to ticks, lots and atoms, and back, for one instrument row: exact, at the edge, once."""

import re
from decimal import Decimal

import numpy as np

from ipc.instruments import ATOMS_PER_UNIT, from_units, to_units

DECIMAL = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?")
SIGNED = re.compile(r"-?" + DECIMAL.pattern)


def _plain(text: str) -> str:
    """A decimal without sign and exponent, as the venue writes them: an exponent could ask for gigabytes of digits."""
    if not DECIMAL.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not a plain decimal")
    return text


class Symbol:
    """One row of the instrument table (dtype INSTRUMENT) as the session needs it."""

    def __init__(self, index: int, row: np.void, quote_asset: str = "USDT") -> None:
        self.index = index
        self.name = bytes(row["symbol"]).decode()
        self._tick = int(row["tick_mantissa"]), int(row["tick_exponent"])
        self._lot = int(row["lot_mantissa"]), int(row["lot_exponent"])
        self._atoms = int(row["atoms_numerator"]), int(row["atoms_denominator"])
        self._fees_e7 = int(row["maker_fee_e7"]), int(row["taker_fee_e7"])
        self._base_asset = self.name.removesuffix(quote_asset)
        self._quote_asset = quote_asset

    def price_text(self, ticks: int) -> str:
        return from_units(ticks, *self._tick)

    def quantity_text(self, lots: int) -> str:
        return from_units(lots, *self._lot)

    def price_ticks(self, text: str) -> int:
        """Raises DecimalInexact, or ValueError for what is no plain decimal."""
        return to_units(_plain(text), *self._tick)

    def quantity_lots(self, text: str) -> int:
        """Raises DecimalInexact, or ValueError for what is no plain decimal."""
        return to_units(_plain(text), *self._lot)

    def value_atoms(self, price_ticks: int, lots: int) -> int:
        numerator, denominator = self._atoms
        return price_ticks * lots * numerator // denominator

    def fee_atoms(self, amount: str, asset: str | None, price_ticks: int, lots: int, maker: bool) -> int:
        """A commission in atoms of the quote currency.

        Paid in the quote currency it is exact; paid in the base currency it is valued at the fill's price; paid in
        anything else (BNB) it is what the instrument's fee rate says, for its price is not known here. So it is for an
        amount that cannot be read: no fill is lost for its fee.
        """
        readable = SIGNED.fullmatch(amount) is not None
        if readable and asset == self._quote_asset:
            return int(Decimal(amount) * ATOMS_PER_UNIT)
        if readable and asset == self._base_asset:
            price = Decimal(self.price_text(price_ticks))
            return int(Decimal(amount) * price * ATOMS_PER_UNIT)
        return self.value_atoms(price_ticks, lots) * self._fees_e7[0 if maker else 1] // 10_000_000

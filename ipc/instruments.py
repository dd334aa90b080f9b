"""The instrument table: what a row number in a message means, and the only place where decimal text becomes integers.

A table is a numpy array of INSTRUMENT rows; it travels whole, in a tape's header and beside a run, never by message.
Conversions are exact: a price that is not a whole number of ticks is an error, not a rounding.
"""

from decimal import Decimal, InvalidOperation

import numpy as np

ATOMS_PER_UNIT = 100_000_000  # money is counted in atoms: 1e-8 of the quote (or settlement) currency

INSTRUMENT = np.dtype(
    [
        ("name", "S32"),  # BTCUSDT.BINANCE, BTCUSDT-PERP.BINANCE
        ("symbol", "S24"),  # as the venue spells it: BTCUSDT
        ("venue", "S16"),  # BINANCE
        ("contract", "<i8"),  # Contract
        # tick = tick_mantissa * 10 ** -tick_exponent quote units; lot likewise in base units (contracts for INVERSE)
        ("tick_mantissa", "<i8"),
        ("tick_exponent", "<i8"),
        ("lot_mantissa", "<i8"),
        ("lot_exponent", "<i8"),
        # value of one tick times one lot, in atoms, as an exact fraction (LINEAR and SPOT)
        ("atoms_numerator", "<i8"),
        ("atoms_denominator", "<i8"),
        ("minimum_price_ticks", "<i8"),
        ("maximum_price_ticks", "<i8"),
        ("minimum_quantity_lots", "<i8"),
        ("maximum_quantity_lots", "<i8"),
        ("minimum_notional_atoms", "<i8"),
        ("maker_fee_e7", "<i8"),  # 1e-7 of the value: 10 bp = 10_000; negative is a rebate
        ("taker_fee_e7", "<i8"),
        ("contract_size", "<i8"),  # INVERSE: quote units in one contract (100 for BTCUSD_PERP); else 0
        ("reserved", "<i8", 8),
    ]
)
assert INSTRUMENT.itemsize == 256


class Contract:
    SPOT = 1
    LINEAR = 2
    INVERSE = 3


class DecimalInexact(ValueError):
    """A decimal text that is no whole number of ticks or lots."""


def to_units(text: str, mantissa: int, exponent: int) -> int:
    """Whole number of units in a decimal text, exactly. Raises DecimalInexact."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise DecimalInexact(f"{text!r} is not a decimal number") from None
    if not value.is_finite():
        raise DecimalInexact(f"{text!r} is not a finite number")
    scaled = value.scaleb(exponent)
    units, rest = divmod(scaled, mantissa)
    if rest:
        raise DecimalInexact(f"{text} is not a multiple of {Decimal(mantissa).scaleb(-exponent):f}")
    return int(units)


def from_units(units: int, mantissa: int, exponent: int) -> str:
    """Decimal text of a whole number of units, exactly, without an exponent."""
    return f"{Decimal(int(units) * int(mantissa)).scaleb(-int(exponent)):f}"


def _mantissa_exponent(text: str) -> tuple[int, int]:
    _, digits, exponent = Decimal(text).normalize().as_tuple()
    assert isinstance(exponent, int)
    mantissa = int("".join(map(str, digits)))
    return (mantissa * 10**exponent, 0) if exponent > 0 else (mantissa, -exponent)


def instrument(
    name: str,
    symbol: str,
    tick_size: str,
    lot_size: str,
    *,
    contract: int = Contract.SPOT,
    maker_fee_e7: int = 10_000,
    taker_fee_e7: int = 10_000,
    minimum_notional: str = "5",
    maximum_quantity_lots: int = 1 << 40,
    contract_size: int = 0,
) -> np.ndarray:
    """One INSTRUMENT row, shape (1,). Sizes are decimal text of the venue's filters."""
    row = np.zeros(1, dtype=INSTRUMENT)
    tick, tick_exponent = _mantissa_exponent(tick_size)
    lot, lot_exponent = _mantissa_exponent(lot_size)
    atoms = Decimal(tick * lot).scaleb(8 - tick_exponent - lot_exponent)
    numerator, denominator = atoms.as_integer_ratio()
    row[0] = (
        name.encode(),
        symbol.encode(),
        name.rpartition(".")[2].encode(),
        contract,
        tick,
        tick_exponent,
        lot,
        lot_exponent,
        numerator,
        denominator,
        1,
        1 << 40,
        1,
        maximum_quantity_lots,
        int(Decimal(minimum_notional) * ATOMS_PER_UNIT),
        maker_fee_e7,
        taker_fee_e7,
        contract_size,
        np.zeros(8, dtype="<i8"),
    )
    return row

"""Venue text to integers and back, exactly, and fees in whatever they are paid."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.gateway.symbols import Symbol
from ipc.instruments import DecimalInexact
from tests.engine.gateway.trader import TABLE

BTC = Symbol(0, TABLE[0])


@given(st.integers(1, 10**12))
def test_price_and_quantity_survive_the_way_to_the_venue_and_back(units: int) -> None:
    assert BTC.price_ticks(BTC.price_text(units)) == units
    assert BTC.quantity_lots(BTC.quantity_text(units)) == units


@pytest.mark.parametrize("text", ["1e9", "-1.00", "NaN", "", "1.", "9" * 19])
def test_text_that_is_no_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="plain decimal"):
        BTC.price_ticks(text)


def test_price_between_two_ticks_is_an_error_not_a_rounding() -> None:
    with pytest.raises(DecimalInexact):
        BTC.price_ticks("60000.001")


@pytest.mark.parametrize(
    ("amount", "asset", "atoms"),
    [
        ("0.06000000", "USDT", 6_000_000),  # the quote currency: exact
        ("0.00000100", "BTC", 6_000_000),  # the base currency: at the fill's price of 60,000
        ("0.00010000", "BNB", 6_000_000),  # anything else: the instrument's 10 bp of 60
        ("-0.01000000", "USDT", -1_000_000),  # a rebate
        ("1E+999999999", "USDT", 6_000_000),  # what cannot be read: as anything else, and no gigabytes of digits
        ("", "BTC", 6_000_000),
    ],
)
def test_fee_is_told_in_atoms_of_the_quote_currency(amount: str, asset: str, atoms: int) -> None:
    assert BTC.fee_atoms(amount, asset, 6_000_000, 100, maker=True) == atoms

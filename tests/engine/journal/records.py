"""Made-up journal records: inputs of market data, orders that the core said, CHECKs after batches."""

import numpy as np
from numpy.typing import NDArray

from engine.journal.block import Records
from ipc.messages import SOURCE_SHIFT, Flag, Kind, Source, messages

SAID = Source.CORE << SOURCE_SHIFT
TAKEN = Source.MARKET << SOURCE_SHIFT


def journal_records(inputs: int, seed: int = 0, first_input: int = 0) -> Records:
    """Whole messages as the core journals them: each fifth input a QUOTE of two records, the others LEVELs.

    An order follows each seventh input, a CHECK each fourth.
    """
    random = np.random.default_rng(seed)
    number = np.arange(first_input, first_input + inputs)
    is_quote, has_order, has_check = number % 5 == 0, number % 7 == 3, number % 4 == 3
    sizes = 1 + is_quote + 2 * has_order + has_check
    at = np.cumsum(sizes) - sizes
    records = messages(int(sizes.sum()))
    _fill_inputs(records, at, number, is_quote, random)
    after_input = at + 1 + is_quote
    _fill_orders(records, after_input[has_order], number[has_order] // 7 + 1)
    _fill_checks(records, (after_input + 2 * has_order)[has_check], number[has_check] + 1, random)
    return records


def order_message(number: int) -> Records:
    """One ORDER of two records, as the core says it."""
    message = messages(2)
    _fill_orders(message, np.array([0]), np.array([number]))
    return message


def _fill_inputs(
    records: Records,
    at: NDArray[np.int64],
    number: NDArray[np.int64],
    is_quote: NDArray[np.bool_],
    random: np.random.Generator,
) -> None:
    records["kind"][at] = np.where(is_quote, Kind.QUOTE, Kind.LEVEL)
    records["flags"][at] = np.where(is_quote, TAKEN | Flag.MORE, TAKEN | Flag.LAST)
    records["sequence"][at] = 2 * number
    records["receive_time_ns"][at] = 1000 * number
    records["price_ticks"][at] = random.integers(1, 1 << 40, len(at))
    second = at[is_quote] + 1
    records["kind"][second] = Kind.QUOTE
    records["flags"][second] = TAKEN | Flag.LAST | Flag.QUOTE_SIDE
    records["sequence"][second] = 2 * number[is_quote] + 1
    records["price_ticks"][second] = random.integers(1, 1 << 40, len(second))


def _fill_orders(records: Records, at: NDArray[np.int64], number: NDArray[np.int64]) -> None:
    records["kind"][at], records["kind"][at + 1] = Kind.ORDER, Kind.DETAIL
    records["flags"][at], records["flags"][at + 1] = SAID | Flag.MORE, SAID
    records["sequence"][at], records["sequence"][at + 1] = 2 * (number - 1), 2 * (number - 1) + 1
    records["order_id"][at] = number


def _fill_checks(
    records: Records, at: NDArray[np.int64], inputs: NDArray[np.int64], random: np.random.Generator
) -> None:
    records["kind"][at] = Kind.CHECK
    records["flags"][at] = SAID | Flag.LAST
    records["sequence"][at] = inputs
    for field in ("price_ticks", "quantity_lots", "order_id", "extra"):
        records[field][at] = random.integers(0, 1 << 62, len(at))

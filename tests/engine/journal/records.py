"""Made-up journal records: inputs of market data, orders and refusals that the core said, CHECKs after batches."""

import numpy as np

from engine.journal.block import Records
from ipc.messages import SOURCE_SHIFT, Flag, Kind, Source, messages


def journal_records(inputs: int, seed: int = 0, first_input: int = 0, first_order: int = 0) -> Records:
    """Whole messages as the core journals them: an order for each seventh input, a CHECK for each fourth."""
    random = np.random.default_rng(seed)
    parts: list[Records] = []
    orders = first_order
    for number in range(first_input, first_input + inputs):
        quote = number % 5 == 0
        message = messages(2 if quote else 1)
        message["sequence"] = 2 * number + np.arange(len(message))
        message["kind"] = Kind.QUOTE if quote else Kind.LEVEL
        message["flags"] = Source.MARKET << SOURCE_SHIFT
        message["price_ticks"] = random.integers(1, 1 << 40)
        message["receive_time_ns"] = number * 1000
        if quote:
            message["flags"][0] |= Flag.MORE
            message["flags"][1] |= Flag.QUOTE_SIDE
        message["flags"][-1] |= Flag.LAST
        parts.append(message)
        if number % 7 == 3:
            orders += 1
            parts.append(order_message(orders))
        if number % 4 == 3:
            parts.append(check_record(number + 1, random))
    return np.concatenate(parts)


def order_message(number: int) -> Records:
    message = messages(2)
    message["sequence"] = 2 * (number - 1) + np.arange(2)
    message["kind"] = [Kind.ORDER, Kind.DETAIL]
    message["flags"] = Source.CORE << SOURCE_SHIFT
    message["flags"][0] |= Flag.MORE
    message["order_id"][0] = number
    return message


def check_record(inputs: int, random: np.random.Generator) -> Records:
    check = messages(1)
    check["sequence"] = inputs
    check["kind"] = Kind.CHECK
    check["flags"] = Source.CORE << SOURCE_SHIFT | Flag.LAST
    for field in ("price_ticks", "quantity_lots", "order_id", "extra"):
        check[field] = random.integers(0, 1 << 62)
    return check

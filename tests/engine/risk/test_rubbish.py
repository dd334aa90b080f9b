"""Messages of random bytes: nothing crashes, nothing unchecked gets through, and what is held stays consistent."""

import numpy as np
import pytest

from engine.execution.stage import ORDER_VIEW
from engine.stage import ACCOUNT_VIEW
from ipc.messages import MESSAGE, ORDER_DETAIL, Action, Flag, Kind, Side
from tests.engine.execution import desk as make
from tests.engine.risk import market

KINDS = [Kind.REPORT, Kind.REPORT, Kind.REPORT, Kind.COMMAND, Kind.LAPPED, Kind.TIME, Kind.APPROVED, Kind.APPROVED]


def rubbish(random: np.random.Generator, kind: int) -> np.ndarray:
    """Two records of random bytes; some fields mean something, so that more than the first check is met."""
    records = np.frombuffer(random.bytes(128), dtype=MESSAGE).copy()
    records["receive_time_ns"] &= (1 << 61) - 1
    head, detail = records[0], records[1:].view(ORDER_DETAIL)[0]
    head["kind"], detail["kind"] = kind, Kind.DETAIL
    for name, values in (
        ("instrument", [0, 1, 2]),
        ("side", list(Side)),
        ("order_id", range(20)),
        ("extra", range(12)),
        ("price_ticks", [0, 9_990, 10_000]),
        ("quantity_lots", [0, 1, 500, 1 << 61]),
        ("flags", [Flag.MORE]),
    ):
        if random.random() < 0.8:
            head[name] = random.choice(values)
    for name, values in (
        ("strategy", [0, 1, 2]),
        ("action", [0, *Action]),
        ("target_order_id", range(20)),
        ("reduce_only", [0, 1]),
    ):
        if random.random() < 0.8:
            detail[name] = random.choice(values)
    return records


@pytest.mark.parametrize("seed", range(4))
def test_execution_stays_consistent_under_random_bytes(seed: int) -> None:
    random, stage = np.random.default_rng(seed), make.desk(of=[0, 1], instruments=make.table(*[("0.01", "0.001")] * 2))
    for _ in range(1_500):
        kind = random.choice(KINDS)
        stage.drive(rubbish(random, kind), "orders" if kind == Kind.APPROVED else "reports")
    rows = stage.rows(ORDER_VIEW, "orders")
    for view, key in (("instruments", "instrument"), ("strategies", "strategy")):
        for index, account in enumerate(stage.rows(ACCOUNT_VIEW, view)):
            mine = rows[(rows["is_open"] == 1) & (rows[key] == index)]
            assert account["open_orders"] == len(mine)
            for side, name in ((Side.BID, "open_buy_lots"), (Side.ASK, "open_sell_lots")):
                assert account[name] == sum(int(lots) for lots in mine["counted_lots"][mine["side"] == side])


@pytest.mark.parametrize("seed", range(4))
def test_risk_answers_every_order_of_random_bytes_with_one_word(seed: int) -> None:
    random = np.random.default_rng(seed)
    instruments = make.table(*[("0.01", "0.001")] * 2)
    held = market.accounts([0, 1])
    stage = market.risk(instruments, market.books(2, time_ns=1 << 61), held, market.accounts([0, 1]))
    words = 0
    for _ in range(1_500):
        records = rubbish(random, Kind.SIZED)
        if not records["flags"][0] & Flag.MORE:
            assert stage.drive(records[:1]).size == 0
            continue
        said = stage.drive(records)
        assert said["kind"].tolist() in ([Kind.APPROVED, Kind.DETAIL], [Kind.REFUSAL, Kind.DETAIL])
        words += 1
        for kind in (Kind.LIMIT, Kind.TRADING_STATUS):
            other = rubbish(random, kind)[:1]
            other["flags"] = 0
            stage.drive(other)
    view = market.risk_view(stage)
    assert view["orders_passed"] + view["orders_refused"] == words

"""Messages that the tests of execution and risk are made of."""

import numpy as np

from engine.execution.config import ExecutionSettings
from engine.execution.stage import ExecutionStage
from engine.stage import ACCOUNT_VIEW
from ipc.instruments import instrument
from ipc.messages import (
    MESSAGE,
    ORDER_DETAIL,
    REPORT_DETAIL,
    Action,
    Command,
    Flag,
    Kind,
    OrderType,
    ReportKind,
    Side,
    Source,
    TimeInForce,
)

MILLISECOND = 1_000_000
SECOND = 1_000_000_000


def table(*tick_lots: tuple[str, str]) -> np.ndarray:
    """An instrument table, one row per (tick size, lot size)."""
    return np.concatenate(
        [
            instrument(f"I{i}.BINANCE", f"I{i}", tick, lot)
            for i, (tick, lot) in enumerate(tick_lots or [("0.01", "0.001")])
        ]
    )


def order(
    kind: int = Kind.APPROVED,
    *,
    instrument: int = 0,
    strategy: int = 0,
    side: int = Side.BID,
    price_ticks: int = 100,
    quantity_lots: int = 10,
    action: int = Action.NEW,
    target: int = 0,
    time_ns: int = 0,
    reduce_only: int = 0,
    order_type: int = OrderType.LIMIT,
    tag: int = 0,
) -> np.ndarray:
    """A message of two records, shape (2,)."""
    records = np.zeros(2, dtype=MESSAGE)
    records["receive_time_ns"] = records["event_time_ns"] = time_ns
    records["instrument"] = instrument
    head = records[0]
    head["kind"], head["side"], head["flags"] = kind, side, Flag.MORE
    head["price_ticks"], head["quantity_lots"] = price_ticks, quantity_lots
    detail = records[1:].view(ORDER_DETAIL)[0]
    detail["kind"], detail["action"], detail["strategy"] = Kind.DETAIL, action, strategy
    detail["order_type"], detail["time_in_force"] = order_type, TimeInForce.GTC
    detail["reduce_only"], detail["target_order_id"], detail["tag"] = reduce_only, target, tag
    return records


def report(
    order_id: int,
    kind: int,
    *,
    code: int = 0,
    price_ticks: int = 0,
    quantity_lots: int = 0,
    trade_id: int = 0,
    cumulative_lots: int = 0,
    fee_atoms: int = 0,
    time_ns: int = 0,
    instrument: int = 0,
) -> np.ndarray:
    """A REPORT of two records, shape (2,)."""
    records = np.zeros(2, dtype=MESSAGE)
    records["receive_time_ns"] = records["event_time_ns"] = time_ns
    records["instrument"] = instrument
    head = records[0]
    head["kind"], head["flags"], head["order_id"] = Kind.REPORT, Flag.MORE, order_id
    head["price_ticks"], head["quantity_lots"] = price_ticks, quantity_lots
    head["extra"] = kind | code << 8
    detail = records[1:].view(REPORT_DETAIL)[0]
    detail["kind"], detail["trade_id"], detail["fee_atoms"] = Kind.DETAIL, trade_id, fee_atoms
    detail["cumulative_lots"] = cumulative_lots
    return records


def fill(order_id: int, price_ticks: int, quantity_lots: int, **more: int) -> np.ndarray:
    return report(order_id, ReportKind.FILL, price_ticks=price_ticks, quantity_lots=quantity_lots, **more)


def single(kind: int, *, time_ns: int = 0, **fields: int) -> np.ndarray:
    """A message of one record, shape (1,)."""
    record = np.zeros(1, dtype=MESSAGE)
    record["kind"] = kind
    record["receive_time_ns"] = record["event_time_ns"] = time_ns
    for name, value in fields.items():
        record[name] = value
    return record


def time(time_ns: int) -> np.ndarray:
    return single(Kind.TIME, time_ns=time_ns)


def command(value: Command, time_ns: int = 0) -> np.ndarray:
    return single(Kind.COMMAND, time_ns=time_ns, extra=value)


def lapped(time_ns: int = 0) -> np.ndarray:
    return single(Kind.LAPPED, time_ns=time_ns, extra=Source.REPORTS)


def details(records: np.ndarray) -> np.ndarray:
    """The second records of messages of two, shape (n,), ORDER_DETAIL."""
    return np.ascontiguousarray(records[1::2]).view(ORDER_DETAIL)


def desk(strategies: int = 1, *, instruments: np.ndarray | None = None, of: list[int] | None = None, **settings: int):
    """An execution stage whose strategies trade instrument 0, or `of`."""
    rows = table() if instruments is None else instruments
    owners = np.array(of if of is not None else [0] * strategies, dtype=np.int64)
    return ExecutionStage(rows, len(owners), owners, ExecutionSettings(**settings))


def account(stage: ExecutionStage, index: int = 0, view: str = "strategies") -> np.void:
    return stage.rows(ACCOUNT_VIEW, view)[index]

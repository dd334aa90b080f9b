"""Driving an execution stage by hand: send, report, fill, and what it said and holds."""

import numpy as np

from engine.execution.stage import DESK_VIEW, ORDER_VIEW, ExecutionStage
from ipc.messages import Kind, OrderState
from tests.engine.execution import desk as make


def send(stage: ExecutionStage, *, refused: int = 0, **fields: int) -> int:
    """Approves an order; returns its number, or checks its refusal."""
    said = stage.drive(make.order(**fields), "orders")
    assert (said["kind"][0], said["extra"][0]) == ((Kind.REFUSAL, refused) if refused else (Kind.ORDER, 0))
    return int(said["order_id"][0])


def row(stage: ExecutionStage, order_id: int) -> np.void:
    rows = stage.rows(ORDER_VIEW, "orders")
    return rows[rows["order_id"] == order_id][0]


def state(stage: ExecutionStage, order_id: int) -> OrderState:
    return OrderState(row(stage, order_id)["state"])


def counts(stage: ExecutionStage) -> np.void:
    return stage.rows(DESK_VIEW, "desk")[0]


def report(stage: ExecutionStage, *arguments: int, **more: int) -> np.ndarray:
    return stage.drive(make.report(*arguments, **more), "reports")


def fill(stage: ExecutionStage, *arguments: int, **more: int) -> np.ndarray:
    return stage.drive(make.fill(*arguments, **more), "reports")


def asked(said: np.ndarray) -> list[tuple[int, int]]:
    """(action, target) of the intents in what the stage said."""
    assert set(said["kind"][::2]) <= {Kind.INTENT}
    return [(int(d["action"]), int(d["target_order_id"])) for d in make.details(said)]

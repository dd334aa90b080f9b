"""Books and accounts that the tests write as they please, offered to a risk stage as view capsules."""

import ctypes

import numpy as np

from engine.risk.config import RiskSettings
from engine.risk.stage import RiskStage
from engine.stage import ACCOUNT_VIEW, BOOK_VIEW, RISK_VIEW
from ipc.messages import BookState


class _View(ctypes.Structure):
    _fields_ = (("rows", ctypes.c_void_p), ("stride", ctypes.c_int64), ("count", ctypes.c_int64))


_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype = ctypes.py_object
_new_capsule.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
_kept: list[object] = []  # a capsule holds an address: array and structure must outlive it


def capsule(rows: np.ndarray) -> object:
    """A view capsule of an array's rows; the array stays alive with the test run."""
    view = _View(rows.ctypes.data, rows.itemsize, len(rows))
    _kept.extend((rows, view))
    return _new_capsule(ctypes.addressof(view), b"bot4.view", None)


def books(count: int = 1, bid: int = 9_990, ask: int = 10_010, time_ns: int = 0) -> np.ndarray:
    """Valid two-sided books, BOOK_VIEW, shape (count,)."""
    rows = np.zeros(count, dtype=BOOK_VIEW)
    rows["state"] = BookState.VALID
    rows["receive_time_ns"] = time_ns
    rows["bid_price_ticks"][:, 0], rows["ask_price_ticks"][:, 0] = bid, ask
    rows["bid_quantity_lots"][:, 0] = rows["ask_quantity_lots"][:, 0] = 1_000
    return rows


def accounts(instruments: list[int]) -> np.ndarray:
    """Empty accounts, ACCOUNT_VIEW."""
    rows = np.zeros(len(instruments), dtype=ACCOUNT_VIEW)
    rows["instrument"] = instruments
    return rows


def risk_view(stage: RiskStage) -> np.void:
    return stage.rows(RISK_VIEW)[0]


def risk(
    instruments: np.ndarray,
    book_rows: np.ndarray,
    account_rows: np.ndarray,
    strategy_rows: np.ndarray,
    settings: RiskSettings | None = None,
) -> RiskStage:
    return RiskStage(instruments, capsule(book_rows), capsule(account_rows), capsule(strategy_rows), settings)

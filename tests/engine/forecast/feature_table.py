"""A feature view that a test fills by hand, offered as the capsule that a feature stage would offer."""

import ctypes
from typing import Any

import numpy as np

from engine.stage import FEATURE_VIEW

VIEW_NAME = b"bot4.view"


class _View(ctypes.Structure):
    _fields_ = (("rows", ctypes.c_void_p), ("stride", ctypes.c_int64), ("count", ctypes.c_int64))


class FeatureTable:
    """rows: FEATURE_VIEW, shape (instruments,). The capsule is valid while this object lives."""

    def __init__(self, instruments: int = 1) -> None:
        self.rows = np.zeros(instruments, dtype=FEATURE_VIEW)
        self._view = _View(self.rows.ctypes.data, FEATURE_VIEW.itemsize, instruments)
        new = ctypes.pythonapi.PyCapsule_New
        new.restype = ctypes.py_object
        new.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        self.capsule: Any = new(ctypes.addressof(self._view), VIEW_NAME, None)

    def set(self, values: Any, time_ns: int, instrument: int = 0, ready: int = 1) -> None:
        row = self.rows[instrument]
        row["values"][: len(values)] = values
        row["event_time_ns"] = row["receive_time_ns"] = time_ns
        row["ready"] = ready

"""The screen and the result of a run: the newest figures, also after the core was started again, also at the end."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from engine.config import Config
from engine.run_files import RunFiles
from engine.stage import ACCOUNT_VIEW, BOOK_VIEW, FEATURE_VIEW, FORECAST_VIEW, RISK_VIEW, SIZING_VIEW
from engine.telemetry.screen import Screen
from engine.telemetry.views import ViewsWriter
from ipc.counters import Counters
from ipc.instruments import instrument

EPOCH = 7


class StandInRun:
    """As much of a Run as the screen reads."""

    def __init__(self, folder: Path) -> None:
        self.files = RunFiles("x", folder, folder)
        self.config = Config()
        self.live = False
        self.supervisor = SimpleNamespace(events=[], children=[])
        np.save(self.files.instruments, instrument("BTCUSDT.BINANCE", "BTCUSDT", "0.01", "0.00001"))
        Counters.create(self.files.counters("core"), epoch=EPOCH, counters=("inputs",), histograms=("tick_to_order",))


def started_core(files: RunFiles) -> tuple[ViewsWriter, dict[str, np.ndarray[Any, Any]]]:
    """What a core makes at its start, and the rows it shows."""
    dtypes = {"book": BOOK_VIEW, "features": FEATURE_VIEW, "forecast": FORECAST_VIEW, "sizing": SIZING_VIEW}
    dtypes["risk"] = RISK_VIEW
    rows = {name: np.zeros(1, dtype) for name, dtype in dtypes.items()}
    rows |= {name: np.zeros(1, ACCOUNT_VIEW) for name in ("instruments", "strategies")}
    return ViewsWriter(files.views, rows, 1, EPOCH), rows


def show_fills(core: tuple[ViewsWriter, dict[str, np.ndarray[Any, Any]]], fills: int) -> None:
    writer, rows = core
    rows["instruments"]["fills"], rows["instruments"]["open_orders"] = fills, 2
    writer.publish(1, 1, 1, lambda: 0)


def test_a_core_that_was_started_again_is_read_where_it_shows_itself_now(tmp_path: Path) -> None:
    run = StandInRun(tmp_path)
    screen = Screen(cast(Any, run), show=False)
    show_fills(started_core(run.files), 3)
    screen.look(cast(Any, run))
    assert screen.result()["fills"] == 3
    show_fills(started_core(run.files), 5)
    screen.look(cast(Any, run))
    assert screen.result()["fills"] == 5


def test_what_was_filled_while_the_run_stopped_is_in_its_result(tmp_path: Path) -> None:
    run = StandInRun(tmp_path)
    core = started_core(run.files)
    screen = Screen(cast(Any, run), show=False)
    show_fills(core, 3)
    screen.remember()
    show_fills(core, 4)
    run.files.views.unlink()
    screen.remember()
    assert screen.result()["fills"] == 4
    assert screen.result()["open_orders"] == 2

"""The feed process: an error of its own ends it, so that its supervisor starts another."""

from pathlib import Path

import numpy as np
import pytest

from engine.feed.config import FeedConfig
from engine.feed.process import FeedProcess, FeedProcessSettings
from engine.feed.session import FeedSession
from engine.run_files import RunFiles
from ipc.ring import Ring
from tests.engine.feed.frames import instruments


async def test_task_that_dies_of_an_error_of_ours_ends_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = RunFiles("test-run", tmp_path / "run", tmp_path / "shared")
    files.make()
    np.save(files.instruments, instruments()[:1])
    Ring.create(files.ring("market"), 1 << 12, lossy=True, epoch=7)
    settings = FeedProcessSettings(
        run_id="test-run",
        directory=str(files.directory),
        shared=str(files.shared),
        epoch=7,
        address="127.0.0.1:1",
        feed=FeedConfig(max_frame_records=1_024, buffered_records=1_024, snapshot_levels=100),
    )

    async def broken(session: FeedSession) -> None:
        raise RuntimeError("nobody thought of it")

    monkeypatch.setattr(FeedSession, "_keep_up", broken)
    with pytest.raises(RuntimeError, match="nobody thought of it"):
        await FeedProcess(settings).run()

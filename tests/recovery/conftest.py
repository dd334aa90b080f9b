"""Two real runs that several tests look at and leave as they were."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.recovery.living_run import LivingRun, eager_config, shared_memory

ORDERS = 120


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A run that ended by rule."""
    with pytest.MonkeyPatch.context() as patch, shared_memory() as shared:
        config = eager_config(tmp_path_factory.mktemp("finished"), shared, seed=5)
        with LivingRun.started(config, patch) as run:
            run.await_orders(ORDERS)
            run.settle()
            yield run.finish()


@pytest.fixture(scope="session")
def unclosed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A run all of whose processes were killed: its last segment was never closed."""
    with pytest.MonkeyPatch.context() as patch, shared_memory() as shared:
        config = eager_config(tmp_path_factory.mktemp("unclosed"), shared, seed=6)
        with LivingRun.started(config, patch) as run:
            run.await_orders(ORDERS)
        yield run.files.directory

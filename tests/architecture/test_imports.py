"""Imports point one way: engine -> models -> kernels, engine -> kernels, ipc; stages never import each other."""

from pathlib import Path

import pytest

from tests.architecture.tree import PACKAGES, imports, sources

STAGES = ("book", "features", "forecast", "strategy", "sizing", "risk", "execution")
ALLOWED = {
    "ipc": {"ipc"},
    "kernels": {"kernels"},
    "models": {"models", "kernels"},
    "engine": {"engine", "models", "kernels", "ipc"},
}
# who may reach a venue: the ends of the journey, never a stage
GATEWAY_USERS = {"gateway", "replay", "exchange", "verbs"}
BENCH_VERB = Path("engine/verbs/bench.py")  # the one door from the command to the benchmarks beside the packages
GATEWAY_FILES = {"child.py", "config.py", "run.py", "supervisor.py"}


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_only_what_lies_below_them(package: str) -> None:
    wrong = [
        f"{path}: {name}"
        for path in sources(package)
        for name in imports(path)
        if name.split(".")[0] not in ALLOWED[package] and not (path == BENCH_VERB and name.startswith("benchmarks"))
    ]
    assert wrong == []


@pytest.mark.parametrize("stage", STAGES)
def test_stages_never_import_each_other(stage: str) -> None:
    others = tuple(f"engine.{name}" for name in STAGES if name != stage)
    wrong = [
        f"{path}: {name}"
        for path in sources(f"engine/{stage}")
        for name in imports(path)
        if name.startswith(tuple(f"{other}." for other in others)) or name in others
    ]
    assert wrong == []


def test_only_the_pipeline_knows_all_stages() -> None:
    knowing = [
        path
        for path in sources("engine")
        if sum(any(name.startswith(f"engine.{stage}.stage") for name in imports(path)) for stage in STAGES)
        == len(STAGES)
    ]
    assert knowing == [Path("engine/pipeline.py")]


def test_no_stage_reaches_a_gateway() -> None:
    wrong = [
        f"{path}: {name}"
        for path in sources("engine")
        for name in imports(path)
        if name.startswith("engine.gateway") and path.parts[1] not in GATEWAY_USERS and path.name not in GATEWAY_FILES
    ]
    assert wrong == []


def test_only_risk_emits_what_execution_turns_into_orders() -> None:
    """APPROVED is made by risk alone, ORDER by execution alone: no order reaches a gateway unchecked."""
    from tests.architecture.tree import PROJECT

    makers = {"KIND_APPROVED": {"risk"}, "KIND_ORDER": {"execution"}}
    for kind, owners in makers.items():
        wrong = [
            f"{path}:{number}"
            for path in sources("engine")
            if path.suffix in (".pyx", ".pxd") and path.parts[1] not in owners
            for number, line in enumerate((PROJECT / path).read_text().splitlines(), 1)
            if f".kind = {kind}\n" in line + "\n"
        ]
        assert wrong == []


def test_one_module_asks_whether_there_is_a_gpu() -> None:
    from tests.architecture.tree import PROJECT

    asking = [
        str(path)
        for path in sources()
        if path != Path("kernels/device.py")
        and path.name not in ("gpu.py",)
        and any(
            line.startswith(("import cupy", "from cupy", "from numba import cuda", "import tensorrt"))
            for line in (PROJECT / path).read_text().splitlines()
        )
    ]
    assert asking == []


def test_no_file_is_called_utils() -> None:
    forbidden = ("utils", "util", "helpers", "helper", "common", "misc", "manager")
    assert [path for path in sources() if path.stem in forbidden] == []

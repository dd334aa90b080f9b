"""After the warm-up of `make build` neither verbs nor the risk process compile: it runs through their signatures."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models.warm_up import FAMILIES, sample
from tests.architecture.tree import PROJECT

VERBS = """
import json, sys
from numba.core import event

class Compiled(event.Listener):
    names = []
    def on_start(self, found):
        self.names.append(found.data["dispatcher"].py_func.__qualname__)
    def on_end(self, found):
        pass

event.register("numba:compile", Compiled())
from engine.cli import make_group
for arguments in json.loads(sys.argv[1]):
    make_group().main(args=["risk", *arguments, "--json"], prog_name="bot4", standalone_mode=False)

from engine.risk_models.config import RiskProcessConfig
from engine.risk_models.estimate import Estimator
from models.warm_up import sample

estimator = Estimator(3, 200, RiskProcessConfig(minimum_bars=20, fit_bars=300, history_bars=1_000))
for _ in range(2):
    for row in sample(3):
        estimator.add(row)
    assert estimator.refit()
print(json.dumps(Compiled.names))
"""


def verbs(folder: Path) -> list[list[str]]:
    data, portfolio = folder / "returns.csv", folder / "portfolio.csv"
    data.write_text("A,B,C\n" + "".join(",".join(map(repr, row)) + "\n" for row in sample(3).tolist()))
    portfolio.write_text("instrument,weight\nA,0.5\nB,0.5\n")
    given = ["--data", str(data), "--returns"]
    held = ["--portfolio", str(portfolio), *given]
    drawn = ["var", *held, "--method", "monte-carlo", "--paths", "2000"]
    return [
        ["fit", "--model", "garch", *given, "--column", "A"],
        ["fit", "--model", "dcc", *given],
        ["fit", "--model", "hmm", *given, "--column", "A"],
        ["var", *held, "--method", "filtered", "--horizon", "5"],
        drawn,
        [*drawn, "--copula", "gaussian", "--margins", "empirical", "--horizon", "2"],
        [*drawn, "--jumps"],
        ["regime", *given, "--column", "A"],
    ]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_after_the_warm_up_neither_verbs_nor_the_risk_process_compile(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "models.warm_up"], cwd=PROJECT, check=True, timeout=280)
    told = [[*arguments, "--report", str(tmp_path / "report.html")] for arguments in verbs(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", VERBS, json.dumps(told)], cwd=PROJECT, capture_output=True, text=True, check=False,
        timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_the_sample_is_one_that_models_can_be_fitted_to() -> None:
    assert len({family.__name__ for family in FAMILIES}) == len(FAMILIES)
    values = sample(3)
    squares = values[:, 0] ** 2
    assert np.isfinite(values).all()
    assert np.corrcoef(squares[1:], squares[:-1])[0, 1] > 0.05
    assert np.linalg.eigvalsh(np.corrcoef(values.T)).min() > 0.1

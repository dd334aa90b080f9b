"""What a report of a run is drawn from is what the run itself said: fills, position and profit, to the atom."""

import json
from pathlib import Path

import pytest

from engine.replay.backtest import equity
from engine.replay.sampling import sample_run
from ipc.instruments import from_units
from tests.engine.verbs.command import bot4, config


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_samples_of_a_run_end_where_the_run_ended(tmp_path: Path) -> None:
    finished = bot4("run", "--seconds", "4", "--json", "--no-replay", "--config", config(tmp_path))
    assert finished.returncode == 0, finished.stderr
    result = json.loads(finished.stdout)
    run = sample_run(tmp_path / "runs" / result["run"])
    assert len(run.fills) >= result["fills"] > 0
    assert len(run.samples) > 10
    last = run.samples[-1]
    bought = run.fills["quantity_lots"][run.fills["side"] == 1].sum()
    sold = run.fills["quantity_lots"][run.fills["side"] == 2].sum()
    assert last["position_lots"] == bought - sold
    assert last["fees_atoms"] == run.fills["fee_atoms"].sum()
    if len(run.fills) == result["fills"]:  # no fill came after the last look at the living run
        row = run.instruments[0]
        assert from_units(last["position_lots"], row["lot_mantissa"], row["lot_exponent"]) == result["position"]
        assert equity(run.instruments, run.samples)[1][-1] == pytest.approx(result["pnl"], abs=0.05)
    text = Path(result["report"]).read_text()
    assert f"Run {result['run']}" in text
    assert "no real money" in text
    assert "the built-in exchange on this machine, seed 1" in text
    assert "Latencies" in text

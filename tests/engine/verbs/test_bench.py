"""`bot4 bench` as a user calls it: rows that start processes of their own, peers and aims beside the figures."""

import json
import subprocess

import pytest

from engine.verbs.bench import held_to, text
from tests.architecture.tree import PROJECT

BOT4 = PROJECT / ".venv" / "bin" / "bot4"


@pytest.mark.slow
@pytest.mark.skipif(not BOT4.exists(), reason="the command is not installed beside this tree")
def test_a_row_of_two_processes_is_measured_by_the_installed_command() -> None:
    command = [BOT4, "bench", "ring_hop", "--no-allocations", "--json"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=100)
    result = json.loads(done.stdout)
    assert done.returncode == 0
    assert result["not_measured"] == {}
    assert result["rows"][0]["count"] > 0
    assert result["rows"][0]["ratio_to_peer"].keys() == {"pyzmq_ipc", "unix_socketpair"}


def test_an_aim_is_met_missed_or_not_measured() -> None:
    aims = {"p50_ns": 10.0, "ratio_to_peer": 5.0, "per_s": 100.0, "with_gbdt_p50_ns": 1.0}
    row = {"p50_ns": 11.0, "ratio_to_peer": 5.0, "per_s": 99.0}
    met = {key: entry["met"] for key, entry in held_to(row, aims).items()}
    assert met == {"p50_ns": False, "ratio_to_peer": True, "per_s": False, "with_gbdt_p50_ns": None}


def test_the_table_names_peers_aims_and_what_was_missed() -> None:
    row = {"name": "var_mc", "count": 15, "p50_ns": 9_000, "ratio_to_peer": 4.25, "peers": {"numpy": 1.0}}
    machine = {"cpu": "a CPU", "cores": 2, "load_average": 0.5}
    hiccup = {"p50_ns": 1, "p99_ns": 2, "max_ns": 3}
    rows = [row | {"allocations": None, "aims": held_to(row, {"ratio_to_peer": 5, "p50_ns": 10_000})}]
    said = text({"rows": rows, "hiccup": hiccup, "machine": machine, "not_measured": {}})
    assert "peer 5 times MISSED; 10.0 us" in said
    assert "var_mc: in the same run numpy took 4.2 times as long" in said

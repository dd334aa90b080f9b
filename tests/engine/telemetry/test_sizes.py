"""How the last orders were sized, as `bot4 status` and `bot4 risk` say it."""

import numpy as np

from engine.sizing.config import TERMS
from engine.stage import SIZING_VIEW
from engine.telemetry.sizes import sizes, sizes_text
from ipc.instruments import instrument
from ipc.messages import Refusal, Side

TABLE = instrument("BTCUSDT.BINANCE", "BTCUSDT", "0.01", "0.00001")


def shown(**fields: object) -> np.ndarray:
    rows = np.zeros(2, SIZING_VIEW)
    rows["time_ns"][0], rows["side"][0], rows["asked_lots"][0], rows["lots"][0] = 7, Side.BID, 500, 400
    for name, value in fields.items():
        rows[name][0] = value
    return rows


def test_a_strategy_that_never_asked_is_left_out_and_a_fixed_size_has_no_terms() -> None:
    found = sizes(shown(), TABLE, ["a", "b"])
    assert [(size["strategy"], size["kelly"], size["code"]) for size in found] == [("a", None, None)]
    assert sizes_text(found) == [
        "sizing           a: buy 500 lots of BTCUSDT.BINANCE became 400 lots   (0 sized, 0 refused)"
    ]


def test_every_term_is_there_and_what_binds_is_named_but_not_a_nudge_for_the_product() -> None:
    terms = np.ones(len(TERMS))
    terms[TERMS.index("drawdown")], terms[TERMS.index("capital_cap")] = 0.5, 1.0 - 2.0**-50
    found = sizes(shown(by_kelly=1, raw=3_000.0, term=terms, target_lots=1_500, held_lots=1_100), TABLE, ["a"])
    assert tuple(found[0]["kelly"]["terms"]) == TERMS
    assert (found[0]["kelly"]["caps_hit"], found[0]["kelly"]["final"]) == (["drawdown"], 1_500)
    assert sizes_text(found)[1].endswith(
        "1,500 lots, 1,100 of it held or open: raw 3,000 x drawdown 0.5 x capital_cap 1; bound by drawdown"
    )


def test_the_code_of_a_zero_is_its_name() -> None:
    found = sizes(shown(lots=0, code=Refusal.RISK_STALE, side=Side.ASK), TABLE, ["a"])
    assert (found[0]["code"], found[0]["side"]) == ("RISK_STALE", "sell")
    assert "became none: RISK_STALE" in sizes_text(found)[0]

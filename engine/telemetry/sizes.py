"""How the last order of each strategy was sized, for people: the keys of `sizing` in `bot4 status` and `bot4 risk`."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.sizing.config import TERMS
from ipc.messages import Refusal, Side

CAPS = ("volatility_target", "drawdown", "data_quality", "venue_cap", "gross_cap", "capital_cap")
BINDING = 1.0 - 2.0**-45  # the chain lowers a factor by up to 64 last places so that its product is whole: no cap


def sizes(
    sizing: np.ndarray[Any, Any], instruments: np.ndarray[Any, Any], strategies: Sequence[str]
) -> list[dict[str, Any]]:
    """One entry for each strategy that has asked for an order; `kelly` is None for those not sized so.

    sizing: SIZING_VIEW rows by strategy; strategies: their names.
    """
    return [
        {
            "strategy": name,
            "instrument": instruments["name"][row["instrument"]].decode(),
            "side": "buy" if row["side"] == Side.BID else "sell",
            "asked_lots": int(row["asked_lots"]),
            "lots": int(row["lots"]),
            "code": Refusal(int(row["code"])).name if row["code"] else None,
            "time_ns": int(row["time_ns"]),
            "sized": int(row["sized"]),
            "refused": int(row["refused"]),
            "kelly": kelly(row) if row["by_kelly"] else None,
        }
        for name, row in zip(strategies, sizing, strict=False)
        if row["time_ns"] and row["instrument"] < len(instruments)
    ]


def kelly(row: np.void) -> dict[str, Any]:
    """raw times every term, in their order and in doubles, is final, exactly."""
    terms = dict(zip(TERMS, row["term"].tolist(), strict=True))
    return {
        "raw": float(row["raw"]),
        "terms": terms,
        "final": int(row["target_lots"]),
        "held_lots": int(row["held_lots"]),
        "caps_hit": [name for name in CAPS if terms[name] < BINDING],
    }


def sizes_text(shown: Sequence[dict[str, Any]]) -> list[str]:
    """A line for each strategy, and one for Kelly's terms; none where no order was asked for."""
    lines = []
    for size in shown:
        became = f"{size['lots']:,} lots" if size["code"] is None else f"none: {size['code']}"
        lines.append(
            f"sizing           {size['strategy']}: {size['side']} {size['asked_lots']:,} lots of {size['instrument']} "
            f"became {became}   ({size['sized']:,} sized, {size['refused']:,} refused)"
        )
        if size["kelly"] is not None:
            lines.append(kelly_text(size["kelly"]))
    return lines


def kelly_text(chain: dict[str, Any]) -> str:
    """The chain as it is multiplied, terms of 1 left out."""
    factors = "".join(f" x {name} {factor:.4g}" for name, factor in chain["terms"].items() if factor != 1.0)
    hit = f"; bound by {', '.join(chain['caps_hit'])}" if chain["caps_hit"] else ""
    return (
        f"                 Kelly's position {chain['final']:,} lots, {chain['held_lots']:,} of it held or open: "
        f"raw {chain['raw']:,.6g}{factors}{hit}"
    )

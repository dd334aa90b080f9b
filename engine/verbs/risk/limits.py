"""`bot4 risk`: each limit of a living run with what is left of it, and how the last orders were sized."""

from typing import Any

import numpy as np

from engine.telemetry.sizes import sizes, sizes_text
from engine.verbs.output import emit

BAR_CELLS = 24


def show_limits(config_path: str | None, as_json: bool) -> None:
    """Prints them. Raises UserError when no run lives."""
    from engine.verbs.living import find_living, halted, limits, strategy_names, views
    from engine.verbs.operate import configuration

    living = find_living(configuration(config_path))
    shown = views(living)
    row, instruments = shown["risk"], np.load(living.files.instruments)
    result = {
        "run": living.files.run_id,
        "halted": halted(living, row),
        "passed": int(row["orders_passed"]),
        "refused": int(row["orders_refused"]),
        "limits": limits(row),
        "sizing": sizes(shown["sizing"], instruments, strategy_names(living)),
    }
    emit(result, as_json, lambda: risk_text(result))


def risk_text(result: dict[str, Any]) -> str:
    width = max(len(row["name"]) for row in result["limits"])
    lines = [f"run {result['run']}: {result['passed']:,} orders passed, {result['refused']:,} refused"]
    for row in result["limits"]:
        cells = round(row["share_left"] * BAR_CELLS)
        bar = "█" * cells + "·" * (BAR_CELLS - cells)
        left = (
            f"{row['share_left']:>4.0%} left" if row["judged"] else "no results: not judged" if row["limit"] else "off"
        )
        lines.append(
            f"{row['name']:<{width}}  {bar}  {amount(row['headroom']):>20} of {amount(row['limit']):<20} {left}"
        )
    lines += sizes_text(result["sizing"])
    if result["halted"]:
        lines.append(f"HALTED {result['halted']['reason']}")
    return "\n".join(lines)


def amount(value: float) -> str:
    """Whole numbers as such, others with two decimals."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"

"""`bot4 risk`: each limit of a living run with what is left of it."""

from typing import Any

from engine.verbs.output import emit

BAR_CELLS = 24


def show_limits(config_path: str | None, as_json: bool) -> None:
    """Prints them. Raises UserError when no run lives."""
    from engine.verbs.living import find_living, halted, limits, views
    from engine.verbs.operate import configuration

    living = find_living(configuration(config_path))
    row = views(living)["risk"]
    result = {
        "run": living.files.run_id,
        "halted": halted(living, row),
        "passed": int(row["orders_passed"]),
        "refused": int(row["orders_refused"]),
        "limits": limits(row),
    }
    emit(result, as_json, lambda: risk_text(result))


def risk_text(result: dict[str, Any]) -> str:
    width = max(len(row["name"]) for row in result["limits"])
    lines = [f"run {result['run']}: {result['passed']:,} orders passed, {result['refused']:,} refused"]
    for row in result["limits"]:
        cells = round(row["share_left"] * BAR_CELLS)
        bar = "█" * cells + "·" * (BAR_CELLS - cells)
        left = f"{row['share_left']:>4.0%} left" if row["limit"] else "off"
        lines.append(
            f"{row['name']:<{width}}  {bar}  {amount(row['headroom']):>20} of {amount(row['limit']):<20} {left}"
        )
    if result["halted"]:
        lines.append(f"HALTED {result['halted']['reason']}")
    return "\n".join(lines)


def amount(value: float) -> str:
    """Whole numbers as such, others with two decimals."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"

"""Refusals by name, from the counters of the core's loop: those of feed, stages, gateway and venue alike."""

REFUSED = "refused."  # the loop's counter of a refusal is named so, and by the name of its code


def refusals(counters: dict[str, int]) -> dict[str, int]:
    """{name: count} of every refusal that happened."""
    return {name.removeprefix(REFUSED): count for name, count in counters.items() if name.startswith(REFUSED) and count}


def without_refusals(counters: dict[str, int]) -> dict[str, int]:
    """The other counters."""
    return {name: count for name, count in counters.items() if not name.startswith(REFUSED)}

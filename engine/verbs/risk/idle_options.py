"""An option that would do nothing is refused: what was typed is never left out silently."""

from typing import NamedTuple

import click
from click.core import ParameterSource


class Use(NamedTuple):
    """`parameter` of the verb, whether it has a use in this call, and where it would have one."""

    parameter: str
    useful: bool
    belongs: str


def given(parameter: str) -> bool:
    """Whether the option was typed, as opposed to standing at its default."""
    source = click.get_current_context().get_parameter_source(parameter)
    return source is not None and source is not ParameterSource.DEFAULT


def refuse_idle(chosen: str, *uses: Use) -> None:
    """Raises Fault for the first option that was typed and has no use. `chosen`: what leaves it without one."""
    from models.faults import Fault

    names = {each.name: each.opts[0] for each in click.get_current_context().command.params}
    for parameter, useful, belongs in uses:
        if not useful and given(parameter):
            raise Fault(f"{names[parameter]} has no meaning for {chosen}: it belongs to {belongs}")

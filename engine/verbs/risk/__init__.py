"""`bot4 risk`: alone, the limits of a living run with their headroom; with a verb, the risk suite on data."""

import importlib

import click

from engine.verbs.output import config_option, json_option, progress

VERBS = {
    "backtest": "Count each method's VaR exceptions, year by year, and test them.",
    "fit": "Fit a volatility, correlation or regime model.",
    "kelly": "Size a bet: every term from raw Kelly to lots.",
    "optimise": "Build a portfolio.",
    "regime": "Show the regimes of a series, as they could be known then.",
    "stress": "What the worst episodes, and shocks, would cost.",
    "var": "VaR and CVaR of a portfolio, with who contributes what.",
}


class RiskVerbs(click.Group):
    """Loads a verb's module when the verb is used."""

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted(VERBS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        command: click.Command = getattr(importlib.import_module(f"engine.verbs.risk.{name}"), name)
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(sorted(VERBS.items()))


@click.group(cls=RiskVerbs, invoke_without_command=True)
@config_option
@json_option
@click.pass_context
def risk(context: click.Context, config_path: str | None, as_json: bool) -> None:
    """Show each limit with its headroom; with a verb, estimate risk from data."""
    if context.invoked_subcommand is None:
        from engine.verbs.risk.limits import show_limits

        show_limits(config_path, as_json)
    elif context.invoked_subcommand in VERBS:
        say_first_use()


def say_first_use() -> None:
    """To standard error: machine code that is not in the cache yet takes its time."""
    from kernels import cache_folder

    if not cache_folder().exists():
        progress("first use of these kernels: compiling them takes up to a minute, once", as_json=False)

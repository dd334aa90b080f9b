"""The command `bot4`: finds the verb, runs it, turns a user's mistake into one line and the right exit code."""

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
PACKAGES = ("engine", "ipc", "kernels", "models")


def foreign_package() -> str | None:
    """One line about a package of ours that Python would take from somewhere else, or None.

    The four import names are generic: a `models` folder beside the user's script must not become part of the engine.
    """
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        origin = Path(spec.origin).resolve().parent if spec is not None and spec.origin else None
        if origin != PROJECT / name:
            where = origin or "nowhere"
            return (
                f"'{name}' comes from {where}, not from Bot4: {PROJECT / name}. Leave that folder or unset PYTHONPATH."
            )
    return None


# verb -> (module, attribute); a verb's module is imported only when the verb is used
VERBS = {
    "backtest": ("engine.verbs.research", "backtest"),
    "bench": ("engine.verbs.bench", "bench"),
    "config": ("engine.verbs.operate", "config"),
    "data": ("engine.verbs.research", "data"),
    "doctor": ("engine.verbs.doctor", "doctor"),
    "flatten": ("engine.verbs.operate", "flatten"),
    "halt": ("engine.verbs.operate", "halt"),
    "model": ("engine.verbs.model", "model"),
    "record": ("engine.verbs.research", "record"),
    "replay": ("engine.verbs.research", "replay"),
    "resume": ("engine.verbs.operate", "resume"),
    "risk": ("engine.verbs.risk", "risk"),
    "run": ("engine.verbs.run", "run"),
    "status": ("engine.verbs.operate", "status"),
    "strategy": ("engine.verbs.strategy", "strategy"),
    "validate": ("engine.verbs.operate", "validate"),
    "verify": ("engine.verbs.research", "verify"),
}
# shown by `bot4 --help` without importing the verbs
SUMMARIES = {
    "backtest": "Run a strategy over recorded market data.",
    "bench": "Measure latencies and throughput, honestly.",
    "config": "Show the configuration, all defaults included.",
    "data": "Check, import and list recorded market data.",
    "doctor": "Look at this machine and say what is missing or slow.",
    "flatten": "Cancel all orders and close all positions.",
    "halt": "Stop new orders; cancels still go through.",
    "model": "Train, list and check forecast models.",
    "record": "Record live market data to a tape.",
    "replay": "Run a journal again and compare every output.",
    "resume": "Let orders through again after a halt.",
    "risk": "Limits with headroom; volatility, VaR, stress, Kelly, portfolios, regimes.",
    "run": "Trade: on paper by default, against the built-in exchange.",
    "status": "Show what a living run is doing.",
    "strategy": "Make, list, check and compile strategies.",
    "validate": "Check a configuration without running it.",
    "verify": "Check the integrity of a run's journal.",
}


def make_group() -> Any:
    """The click group with verbs that load when they are used."""
    import click

    class Verbs(click.Group):
        def list_commands(self, context: click.Context) -> list[str]:
            return sorted(VERBS)

        def get_command(self, context: click.Context, name: str) -> click.Command | None:
            if name not in VERBS:
                return None
            module, attribute = VERBS[name]
            command: click.Command = getattr(importlib.import_module(module), attribute)
            return command

        def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
            with formatter.section("Verbs"):
                formatter.write_dl(sorted(SUMMARIES.items()))

        def resolve_command(self, context: click.Context, args: list[str]) -> Any:
            if args and args[0] not in VERBS and not args[0].startswith("-"):
                import difflib

                near = difflib.get_close_matches(args[0], VERBS, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise click.UsageError(f"{args[0]!r} is no verb{hint} `bot4 --help` lists them")
            return super().resolve_command(context, args)

    @click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
    @click.version_option("0.1.0", prog_name="bot4")
    def bot4() -> None:
        """Bot4: market data to verified books, to risk-checked orders, every moment recomputable."""

    return bot4


# errors of the machine or of data, by qualified name so that nothing is imported for them: exit code of the one line
OPERATING_ERRORS = {
    "ipc.segment.SegmentError": 1,
    "ipc.bus.BusTimeout": 5,
    "ipc.bus.BusError": 1,
    "zmq.error.ZMQError": 1,
    "lmdb.Error": 1,
    "models.extras.ExtraMissing": 2,
    "models.faults.DataFault": 3,
    "models.faults.Fault": 2,
    "models.registry.store.ModelMissing": 2,
    "models.registry.store.ModelCorrupt": 3,
    "builtins.OSError": 1,
    "builtins.MemoryError": 1,
}


def operating_error(error: BaseException) -> tuple[str, int] | None:
    """(one line, exit code) of an error that is no programming mistake, or None."""
    for kind in type(error).__mro__:
        code = OPERATING_ERRORS.get(f"{kind.__module__}.{kind.__qualname__}")
        if code is not None:
            line = " ".join(str(error).split())
            if isinstance(error, OSError) and error.strerror:
                where = f"{error.filename}: " if error.filename else ""
                line = f"{where}{error.strerror}"
            return line or kind.__name__, code
    return None


def main(arguments: list[str] | None = None) -> None:
    """Runs a verb and leaves with its exit code; never a traceback for a user's mistake.

    `--verbose`, anywhere, adds what a tool said at length, and the traceback of an error of the machine.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    verbose, given = "--verbose" in given, [argument for argument in given if argument != "--verbose"]
    foreign = foreign_package()
    if foreign is not None:
        print(f"bot4: {foreign}", file=sys.stderr)
        sys.exit(2)
    import click

    from engine.errors import UserError

    try:
        code = make_group().main(args=given, prog_name="bot4", standalone_mode=False)
    except UserError as error:
        print(f"bot4: {error}", file=sys.stderr)
        details = getattr(error, "details", None)
        if verbose and details:
            print(details, file=sys.stderr)
        sys.exit(int(error.exit_code))
    except click.UsageError as error:
        where = f" (see `{error.ctx.command_path} --help`)" if error.ctx is not None else ""
        print(f"bot4: {error.format_message()}{where}", file=sys.stderr)
        sys.exit(2)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        print("bot4: stopped", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        sys.exit(0)
    except Exception as error:
        known = operating_error(error)
        if known is None or verbose:
            raise
        print(f"bot4: {known[0]}", file=sys.stderr)
        sys.exit(known[1])
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()

"""`bot4 risk kelly`: from an edge to lots, every factor on the way shown."""

import time
from typing import TYPE_CHECKING, Any

import click
import msgspec

from engine.verbs.output import json_option, progress, table

if TYPE_CHECKING:
    from models.panel import Panel
    from models.sizing import Account, Edges, Sizes, SizingPolicy

BET = "bet"
LARGEST_RETURN = 100.0  # 10,000 % a period: more is a mistake of units
ACROSS = 6  # instruments shown side by side


@click.command()
@click.option("--data", multiple=True, type=click.Path(dir_okay=False), help="Prices: CSV, Parquet or Feather.")
@click.option("--column", multiple=True, help="The series to size; all by default.")
@click.option("--returns", "are_returns", is_flag=True, help="The values are simple returns, not prices.")
@click.option(
    "--model",
    type=click.Choice(["continuous", "discrete"]),
    default="continuous",
    show_default=True,
    help="Stand-alone Kelly: mean / variance, or the most log growth over the returns seen.",
)
@click.option("--covariance", type=click.Choice(["sample", "ledoit-wolf"]), default="sample", show_default=True)
@click.option("--edge", multiple=True, help="[NAME=]return expected per period, in place of the mean seen.")
@click.option("--probability", type=float, help="Size one bet instead of data: how likely it wins.")
@click.option("--gain", type=float, default=1.0, show_default=True, help="What the bet wins per unit staked.")
@click.option("--loss", type=float, default=1.0, show_default=True, help="What it loses per unit staked.")
@click.option("--trials", type=int, help="On how many bets seen the probability rests.")
@click.option("--fraction", type=float, default=0.25, show_default=True, help="Of Kelly: 0.25 to 0.5.")
@click.option("--capital", type=float, default=1_000_000.0, show_default=True, help="Money.")
@click.option("--no-shrink", is_flag=True, help="Take the means as known: no Kan-Zhou factor.")
@click.option("--rate", type=float, default=0.0, show_default=True, help="Return of cash, a year.")
@click.option(
    "--cost-bps", multiple=True, help="[NAME=]cost in and out together, of notional.  [default: 10; a bet: 0]"
)
@click.option("--holding-periods", type=float, help="Periods over which that cost is spread.  [default: 20; a bet: 1]")
@click.option("--funding-bps", multiple=True, help="[NAME=]what a long pays and a short gets a period.  [default: 0]")
@click.option("--long-only", is_flag=True, help="No short positions.")
@click.option("--max-weight", multiple=True, help="[NAME=]largest position over capital, in the programme.")
@click.option("--volatility-target", type=float, help="Of the account, a year: 0.1 is 10 %.")
@click.option("--periods-per-year", type=float, default=252.0, show_default=True)
@click.option("--drawdown", type=float, default=0.0, show_default=True, help="Of the account now, from its peak.")
@click.option("--soft-drawdown", type=float, default=0.10, show_default=True, help="From here sizes fall.")
@click.option("--hard-drawdown", type=float, default=0.20, show_default=True, help="From here they are 0.")
@click.option("--quality", multiple=True, help="[NAME=]data quality, 0 to 1.  [default: 1]")
@click.option("--venue", multiple=True, help="NAME=VENUE; what follows the last dot of the name by default.")
@click.option("--venue-cap", multiple=True, help="VENUE=gross exposure there over capital.")
@click.option("--gross-cap", type=float, default=1.0, show_default=True, help="Gross exposure over capital.")
@click.option("--capital-cap", type=float, help="Money that positions may bind; all of the capital by default.")
@click.option("--margin-rate", type=float, default=1.0, show_default=True, help="Money bound by a unit of exposure.")
@click.option("--price", multiple=True, help="[NAME=]price; the last one of the data by default.")
@click.option("--lot-size", multiple=True, help="[NAME=]units in a lot.  [default: 1]")
@click.option("--report", type=click.Path(dir_okay=False), help="HTML report; runs/risk by default.")
@json_option
def kelly(as_json: bool, **options: Any) -> None:
    """Size a bet: every term from raw Kelly to lots.

    The product of the terms, in the order shown, is the lots exactly. Give --data with prices, or --probability for
    a single bet.
    """
    from engine.verbs.risk.delivery import deliver, report_path
    from engine.verbs.risk.kelly_report import write_report
    from models.construction import Constraints
    from models.faults import Fault
    from models.sizing import size

    began = time.perf_counter()
    if (options["probability"] is None) == (not options["data"]):
        raise Fault("give either --data FILE with prices or --probability P for a single bet")
    refuse_unused(options)
    policy = policy_of(options)
    path = report_path(options["report"], "kelly", as_json)
    if options["probability"] is not None:
        edges, account, notes = single_bet(options)
    else:
        progress("reading the data", as_json)
        edges, account, notes = from_data(options)
    for venue in policy.venue_caps:
        if venue not in account.venues:
            there = ", ".join(sorted(set(account.venues)))
            raise Fault(f"--venue-cap: nothing trades at {venue!r}; there are {there}; --venue NAME=VENUE names them")
    limits: Constraints | None = limits_of(options, edges)
    sizes = size(edges, account, policy, limits)
    result = result_of(sizes, account, policy, notes)
    result["seconds"] = time.perf_counter() - began
    deliver(result, as_json, lambda: human(result), path, lambda path: write_report(path, result, edges, account))


def refuse_unused(options: dict[str, Any]) -> None:
    """Raises Fault for an option that neither the data nor the bet has a use for, and for a fraction out of range."""
    from engine.verbs.risk.idle_options import Use, refuse_idle
    from models.faults import Fault
    from models.sizing.config import LARGEST_FRACTION, SMALLEST_FRACTION

    bet, shrunk = options["probability"] is not None, options["trials"] is not None
    of_data = ("column", "are_returns", "model", "covariance", "edge", "rate")
    refuse_idle("a single bet", *(Use(name, not bet, "sizing from --data") for name in of_data))
    refuse_idle("a bet without --trials", Use("no_shrink", not bet or shrunk, "what is shrunk for estimation error"))
    refuse_idle("data", *(Use(name, bet, "a bet with --probability") for name in ("gain", "loss", "trials")))
    yearly = options["volatility_target"] is not None or options["rate"] != 0.0
    refuse_idle("returns a period", Use("periods_per_year", yearly, "--volatility-target and --rate"))
    refuse_idle("no cap of a venue", Use("venue", bool(options["venue_cap"]), "--venue-cap"))
    if options["fraction"] < SMALLEST_FRACTION:
        raise Fault(
            f"--fraction must be {SMALLEST_FRACTION} to {LARGEST_FRACTION} of Kelly, is {options['fraction']:g}; less "
            f"risk is had with --volatility-target or --gross-cap"
        )


def policy_of(options: dict[str, Any]) -> "SizingPolicy":
    from engine.verbs.risk.per_name import number, pairs
    from models.faults import Fault
    from models.sizing import SizingPolicy

    caps = {name: number(value, "--venue-cap") for name, value in pairs(options["venue_cap"], "--venue-cap")}
    if len(caps) != len(options["venue_cap"]):
        raise Fault("--venue-cap: write VENUE=share, like BINANCE=0.5")
    try:
        return SizingPolicy(
            kelly_fraction=options["fraction"],
            shrink_for_estimation=not options["no_shrink"],
            volatility_target_per_year=options["volatility_target"],
            periods_per_year=options["periods_per_year"],
            soft_drawdown=options["soft_drawdown"],
            hard_drawdown=options["hard_drawdown"],
            venue_caps=caps,
            gross_cap=options["gross_cap"],
            capital_cap=options["capital_cap"],
            margin_rate=options["margin_rate"],
        )
    except ValueError as error:
        raise Fault(str(error)) from None


def single_bet(options: dict[str, Any]) -> "tuple[Edges, Account, list[str]]":
    """A bet that wins or loses, as one instrument whose lots are units of money."""
    import numpy as np

    from models.sizing import Edges, binary_kelly

    p, gain, loss = options["probability"], options["gain"], options["loss"]
    raw = binary_kelly(p, gain, loss)
    mean, spread = p * gain - (1.0 - p) * loss, gain + loss
    variance = max(p * (1.0 - p) * spread * spread, 1e-12)
    names = (BET,)
    edges = Edges(
        names, np.array([mean]), np.array([[variance]]), options["trials"],
        costs_of(options, names, 1.0, "0"), funding_of(options, names), np.array([raw]),
    )  # fmt: skip
    notes = ["NO_EDGE: the bet loses on average; its other side is another bet"] if mean <= 0.0 else []
    return edges, account_of(options, names, np.ones(1)), notes


def from_data(options: dict[str, Any]) -> "tuple[Edges, Account, list[str]]":
    import numpy as np

    from engine.verbs.risk.data_faults import on, require
    from engine.verbs.risk.per_name import per_name, simple_returns
    from models.construction import moments_of
    from models.faults import Fault
    from models.sizing import Edges
    from models.sizing.estimation import least_observations

    panel, returns = simple_returns(options["data"], options["column"], options["are_returns"])
    with on(returns):
        moments = moments_of(returns.values, returns.names, options["covariance"])
    if not options["no_shrink"]:
        require(returns, least_observations(len(returns.names)), "shrink the means for estimation error")
    notes = [*returns.notes, *moments.notes]
    rate = options["rate"] / options["periods_per_year"]
    edge = per_name(options["edge"], returns.names, "--edge", np.nan)
    for option, values in (("--rate", np.array([rate])), ("--edge", edge[~np.isnan(edge)])):
        if not (np.abs(values) <= LARGEST_RETURN).all():
            raise Fault(f"{option}: a return is a fraction of at most {LARGEST_RETURN:g}, like 0.001")
    means = np.where(np.isnan(edge), moments.means, edge)
    if options["edge"]:
        notes.append("EDGE_GIVEN: expected returns given by hand are shrunk as if the data had shown them")
    raw = None
    if options["model"] == "discrete":
        shifted = returns.values - moments.means + means - rate
        raw = np.array(
            [discrete_of(returns, name, column) for name, column in zip(returns.names, shifted.T, strict=True)]
        )
    edges = Edges(
        returns.names, means, moments.covariance, moments.observations,
        costs_of(options, returns.names, 20.0, "10"), funding_of(options, returns.names), raw, rate,
    )  # fmt: skip
    last = np.ones(len(returns.names)) if options["are_returns"] else last_prices(panel)
    return edges, account_of(options, returns.names, last), notes


def discrete_of(returns: "Panel", name: str, outcomes: Any) -> float:
    """Discrete Kelly of one series. Raises DataFault naming it where none of its returns loses."""
    from engine.verbs.risk.data_faults import described
    from models.faults import DataFault, Fault
    from models.sizing import discrete_kelly

    try:
        return discrete_kelly(outcomes, both_sides=True)
    except Fault as fault:
        raise DataFault(f"{name}: {fault} ({described(returns, (name,))})") from None


def last_prices(panel: "Panel") -> Any:
    import numpy as np

    return np.array([column[np.isfinite(column)][-1] for column in panel.values.T])


def costs_of(options: dict[str, Any], names: tuple[str, ...], periods: float, default: str) -> Any:
    """Cost of a period: what going in and out costs, spread over the periods held."""
    from engine.verbs.risk.per_name import per_name
    from models.faults import Fault

    held = options["holding_periods"] if options["holding_periods"] is not None else periods
    if not 0.0 < held < float("inf"):
        raise Fault(f"--holding-periods must be above 0 and finite, is {held}")
    return per_name(options["cost_bps"], names, "--cost-bps", float(default)) * 1e-4 / held


def funding_of(options: dict[str, Any], names: tuple[str, ...]) -> Any:
    from engine.verbs.risk.per_name import per_name

    return per_name(options["funding_bps"], names, "--funding-bps", 0.0) * 1e-4


def account_of(options: dict[str, Any], names: tuple[str, ...], prices: Any) -> "Account":
    import numpy as np

    from engine.verbs.risk.per_name import member, pairs, per_name
    from models.sizing import Account

    venues = [name.rpartition(".")[2] if "." in name else "-" for name in names]
    for name, venue in pairs(options["venue"], "--venue"):
        venues[member(name, names, "--venue")] = venue
    given = per_name(options["price"], names, "--price", np.nan)
    return Account(
        options["capital"],
        np.where(np.isnan(given), prices, given),
        per_name(options["lot_size"], names, "--lot-size", 1.0),
        tuple(venues),
        per_name(options["quality"], names, "--quality", 1.0),
        options["drawdown"],
    )


def limits_of(options: dict[str, Any], edges: "Edges") -> Any:
    """Bounds of the joint programme, None without any."""
    import numpy as np

    from engine.verbs.risk.per_name import per_name
    from models.construction import Constraints
    from models.faults import Fault

    if not options["max_weight"] and not options["long_only"]:
        return None
    most = per_name(options["max_weight"], edges.names, "--max-weight", np.inf)
    if (most < 0.0).any():
        raise Fault(f"--max-weight of {edges.names[int(np.argmin(most))]} is below 0")
    return Constraints(edges.names, np.zeros(len(most)) if options["long_only"] else -most, most, None)


def result_of(sizes: "Sizes", account: "Account", policy: "SizingPolicy", notes: list[str]) -> dict[str, Any]:
    chains = dict(zip(sizes.names, sizes.chains, strict=True))
    return {
        "raw": {name: chain.raw for name, chain in chains.items()},
        "terms": {name: {term.name: term.factor for term in chain.terms} for name, chain in chains.items()},
        "final": {name: chain.lots for name, chain in chains.items()},
        "caps_hit": list(sizes.caps_hit),
        "exact": {name: {term.name: str(term.ratio) for term in chain.terms} for name, chain in chains.items()},
        "running": {name: [chain.raw, *(term.after for term in chain.terms)] for name, chain in chains.items()},
        "weights": dict(zip(sizes.names, sizes.weights.tolist(), strict=True)),
        "capital": account.capital,
        "policy": msgspec.structs.asdict(policy),
        "notes": [*notes, *sizes.notes],
    }


def human(result: dict[str, Any]) -> str:
    names = list(result["final"])
    if len(names) > ACROSS:
        return "\n".join([instruments_down(result, names), *conclusion(result)])
    terms = list(next(iter(result["terms"].values())))
    rows = [["raw, lots", *(f"{result['raw'][name]:,.6g}" for name in names)]]
    rows += [[f"x {term}", *(f"{result['terms'][name][term]:.6g}" for name in names)] for term in terms]
    rows.append(["= lots", *(f"{result['final'][name]:,}" for name in names)])
    rows.append(["of capital", *(f"{result['weights'][name]:.2%}" for name in names)])
    return "\n".join([table(["", *names], rows), *conclusion(result)])


def instruments_down(result: dict[str, Any], names: list[str]) -> str:
    """One row an instrument, for many of them."""
    terms = list(result["terms"][names[0]])
    rows = [
        [
            name, f"{result['raw'][name]:,.5g}", *(f"{result['terms'][name][term]:.4g}" for term in terms),
            f"{result['final'][name]:,}", f"{result['weights'][name]:.2%}",
        ]
        for name in names
    ]  # fmt: skip
    return table(["", "raw", *terms, "lots", "of capital"], rows)


def conclusion(result: dict[str, Any]) -> list[str]:
    hit = f"limits hit: {', '.join(result['caps_hit'])}" if result["caps_hit"] else "no limit was hit"
    return [hit, *result["notes"], f"report: {result['report']}"]

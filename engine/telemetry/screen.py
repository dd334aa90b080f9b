"""What a person sees of a living run: at most 24 lines in a terminal, plain lines once a second elsewhere."""

import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from engine.risk.limits import LIMITS
from engine.telemetry.hiccup import Hiccup
from engine.telemetry.money import Money, account_money
from engine.telemetry.refusal_counts import refusals, without_refusals
from engine.telemetry.views import ViewsReader
from ipc.counters import Counters, HistogramView
from ipc.messages import BookState
from ipc.segment import SegmentError

if TYPE_CHECKING:
    from engine.run import Run

LEVELS = 5
LATENCY_ROWS = 9
BAR_CELLS = 20
PLAIN_INTERVAL_S = 1.0
STATE_STYLE = {"VALID": "green", "SYNCING": "yellow", "STALE": "yellow", "SUSPECT": "red", "GAP": "red"}


class Screen:
    """Shows a run while it lives and remembers what is to be said at its end."""

    def __init__(self, run: "Run", *, show: bool) -> None:
        self._run = run
        self._show = show
        self._console = Console(stderr=True, highlight=False)
        self._terminal = show and self._console.is_terminal
        self._live: Live | None = None
        self._views: ViewsReader | None = None
        self._counters: Counters | None = None
        self._row: np.void | None = None
        self._histograms: dict[str, HistogramView] = {}
        self._counts: dict[str, int] = {}
        self._instruments: np.ndarray[Any, Any] = np.load(run.files.instruments)
        self._hiccup = Hiccup()
        self._next_plain_s = 0.0
        self._told = 0

    def __enter__(self) -> "Screen":
        self._hiccup.start()
        if self._show:
            self._console.print(f"starting {header(self._run, None)}", soft_wrap=True)
        if self._terminal:
            self._live = Live(console=self._console, refresh_per_second=5, transient=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hiccup.stop()
        if self._live is not None and self._live.is_started:
            self._live.stop()

    # -- while it runs --

    def look(self, run: "Run") -> None:
        """Takes the newest copy of the core's views and shows it."""
        self._read()
        if not self._show or self._row is None:
            return
        if self._live is not None:
            if not self._live.is_started:
                self._live.start()
            self._live.update(Group(*self.lines()))
        elif time.monotonic() >= self._next_plain_s:
            self._next_plain_s = time.monotonic() + PLAIN_INTERVAL_S
            self._console.print(self.plain_line(), soft_wrap=True)
        for event in list(run.supervisor.events)[self._told :]:
            self._told += 1
            if self._live is None:
                self._console.print(f"  {event}", soft_wrap=True)

    def _read(self) -> None:
        try:
            self._views = ViewsReader(self._run.files.views)  # anew: a core that was started again has made another
            self._counters = self._counters or Counters.attach(self._run.files.counters("core"))
        except SegmentError:
            if self._views is None or self._counters is None:
                return
        row = self._views.read()
        self._row = row if row is not None else self._row
        self._histograms = {name: self._counters.read(name) for name in self._counters.histograms}
        self._counts = self._counters.values()

    def remember(self) -> None:
        """The last look: before the shared memory goes, and again after, for what was filled until the orders were
        cancelled; what is mapped stays readable."""
        self._read()

    # -- lines --

    def lines(self) -> list[Text]:
        """At most 24 lines."""
        assert self._row is not None
        left = max(0.0, self._run.config.run.seconds - (time.monotonic() - self._run.started_s))
        lines = [Text(header(self._run, left if self._run.config.run.seconds else None), style="bold")]
        lines += book_lines(self._instruments[0], self._row["book"][0])
        lines.append(Text(money_line(self.money(), self._row)))
        lines += self.latency_lines()
        lines += [headroom_line(self._row["risk"], name) for name in ("daily_loss", "gross_notional", "open_orders")]
        lines.append(Text(refusal_line(self._counts)))
        lines += [Text(event, style="yellow") for event in list(self._run.supervisor.events)[-2:]]
        return lines[:24]

    def latency_lines(self) -> list[Text]:
        title = f"{'latency, ns':<20}{'p50':>9}{'p99':>9}{'max':>11}{'count':>12}   {self._hiccup.sentence()}"
        rows = [Text(title, style="dim")]
        for name, histogram in self._histograms.items():
            if histogram.count and len(rows) <= LATENCY_ROWS:
                rows.append(
                    Text(
                        f"{name.removeprefix('slot.'):<20}{histogram.percentile(50):>9,}{histogram.percentile(99):>9,}"
                        f"{histogram.maximum:>11,}{histogram.count:>12,}"
                    )
                )
        return rows

    def plain_line(self) -> str:
        assert self._row is not None
        book, money = self._row["book"][0], self.money()
        state = BookState(int(book["state"])).name
        elapsed = time.monotonic() - self._run.started_s
        age = self._histograms.get("tick_to_order")
        latency = f"{age.percentile(50):,} ns" if age is not None and age.count else "-"
        return (
            f"{elapsed:5.1f} s  book {state}  {money.prices}  position {money.position}  P&L {money.net:,.2f} "
            f"(fees {money.fees:,.2f})  orders {int(self._row['head']['orders']):,}  fills {money.fills:,}  "
            f"tick to order p50 {latency}"
        )

    def money(self) -> Money:
        """Position and profit of the first instrument, profit over all."""
        assert self._row is not None
        return account_money(self._instruments, self._row["instruments"], self._row["book"])

    # -- at the end --

    def result(self) -> dict[str, Any]:
        """The keys of `bot4 run --json`."""
        if self._row is None:
            counts = dict.fromkeys(("messages", "orders", "fills", "open_orders"), 0)
            return {"run": self._run.files.run_id, **counts, "pnl": 0.0, "fees": 0.0}
        money = self.money()
        return {
            "run": self._run.files.run_id,
            "messages": int(self._row["head"]["inputs"]),
            "orders": int(self._row["head"]["orders"]),
            "fills": money.fills,
            "position": money.position,
            "open_orders": int(self._row["instruments"]["open_orders"].sum()),
            "pnl": money.net,
            "fees": money.fees,
            "book_state": BookState(int(self._row["book"][0]["state"])).name,
            "refusals": refusals(self._counts),
            "latencies": {
                name: {
                    "count": histogram.count,
                    "p50_ns": histogram.percentile(50),
                    "p99_ns": histogram.percentile(99),
                    "max_ns": histogram.maximum,
                }
                for name, histogram in self._histograms.items()
            },
            "hiccup": self._hiccup.summary(),
            "counters": without_refusals(self._counts),
            "events": list(self._run.supervisor.events),
            "restarts": {child.name: child.restarts for child in self._run.supervisor.children if child.restarts},
        }

    def closing(self, result: dict[str, Any]) -> str:
        """The last lines, with three commands to paste next."""
        run_id = result["run"]
        lines = [
            f"messages {result['messages']:,}   orders {result['orders']:,}   fills {result['fills']:,}   "
            f"P&L {result['pnl']:,.2f} after fees of {result['fees']:,.2f}"
        ]
        if "replay" in result:
            from engine.verbs.research import replay_text

            lines.append(replay_text(result["replay"]))
        lines += [
            f"report: {result['report']}",
            "next:",
            f"  bot4 replay {run_id}",
            "  bot4 strategy new my_strategy",
            "  bot4 backtest --data FILE... --strategy market_maker",
        ]
        return "\n".join(lines)


def header(run: "Run", left_s: float | None) -> str:
    """What this is, in one line: first of all whether money is at stake."""
    settings = run.config.run
    strategies = ", ".join(dict.fromkeys(choice.name for choice in run.config.strategies))
    where = "built-in exchange on 127.0.0.1" if settings.market == "exchange" else "Binance market data"
    if run.live:
        mode, stake = "LIVE", "REAL MONEY"
    else:
        mode, stake = "PAPER", "no real money" + (", no network" if settings.market == "exchange" else "")
    left = "" if left_s is None else f" · {left_s:.0f} s left"
    return f"{mode} · {where} · {strategies} · seed {settings.seed} · run {run.files.run_id}{left} · {stake}"


def book_lines(instrument: np.void, book: np.void) -> list[Text]:
    """Five levels a side, with spread and state."""
    from ipc.instruments import from_units

    def price(ticks: int) -> str:
        return from_units(ticks, instrument["tick_mantissa"], instrument["tick_exponent"])

    def quantity(lots: int) -> str:
        return from_units(lots, instrument["lot_mantissa"], instrument["lot_exponent"])

    state = BookState(int(book["state"])).name
    spread = price(int(book["ask_price_ticks"][0] - book["bid_price_ticks"][0])) if book["ask_count"] else "-"
    lines = [Text(f"{instrument['name'].decode()}  spread {spread}  ").append(state, STATE_STYLE.get(state, ""))]
    for level in range(LEVELS):
        line = Text()
        line.append(f"{quantity(int(book['bid_quantity_lots'][level])):>16} ", "dim")
        line.append(f"{price(int(book['bid_price_ticks'][level])):>12}", "green")
        line.append("  |  ")
        line.append(f"{price(int(book['ask_price_ticks'][level])):<12}", "red")
        line.append(f"{quantity(int(book['ask_quantity_lots'][level])):<16}", "dim")
        lines.append(line)
    return lines


def money_line(money: Money, row: np.void) -> str:
    account = row["instruments"][0]
    return (
        f"position {money.position} at {money.average_price}   P&L realised {money.realised:,.2f} "
        f"unrealised {money.unrealised:,.2f} fees {money.fees:,.2f}   open orders {int(account['open_orders'])}   "
        f"fills {money.fills:,}"
    )


def headroom_line(risk: np.void, wanted: str) -> Text:
    """How much of a limit is left, as a bar."""
    index = next((i for i, name in enumerate(LIMITS) if name.lower().startswith(wanted)), None)
    if index is None:
        return Text("")
    limit, headroom = int(risk["limit"][index]), int(risk["headroom"][index])
    share = 0.0 if limit <= 0 else min(1.0, max(0.0, headroom / limit))
    cells = round(share * BAR_CELLS)
    style = "green" if share > 0.5 else "yellow" if share > 0.1 else "red"
    return (
        Text(f"{wanted.replace('_', ' '):<20}").append("█" * cells, style).append("·" * (BAR_CELLS - cells), "dim")
        .append(f" {share:4.0%} left")
    )  # fmt: skip


def refusal_line(counters: dict[str, int]) -> str:
    counts = sorted(refusals(counters).items(), key=lambda pair: -pair[1])
    if not counts:
        return "refusals none"
    return "refusals " + ", ".join(f"{name} {count:,}" for name, count in counts[:4])

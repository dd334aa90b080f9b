"""Pre-trade risk written slowly: Python integers and fractions, every figure anew for every order.

The truth that engine/risk/stage.pyx is held to (tests/engine/risk/test_stage_reference.py). It reads the same views, as
numpy rows, and judges one order at a time in the order of limits.CHECKS.
"""

from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor
from typing import Any

import numpy as np

from engine.risk.config import RiskSettings
from engine.risk.limits import CHECKS, Limit
from ipc.instruments import ATOMS_PER_UNIT, Contract
from ipc.messages import Action, BookState, Command, OrderType, Refusal, Side

DAY_NS = 86_400_000_000_000
_BITS_62 = 1 << 62
_BITS_61 = 1 << 61


def rest_atoms(losses: np.ndarray[Any, Any], held_atoms: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Value of each instrument that all else that is held amounts to: the slope of the rest's losses on its own, by
    moments about zero, for log growth is f m - f^2 E[r^2] / 2 to second order.

    losses (n, scenarios): of a unit of value held long; held_atoms (n,).
    """
    moments = losses @ losses.T
    rest = (moments @ held_atoms) / np.diag(moments) - held_atoms
    return np.asarray(rest)


@dataclass(frozen=True)
class SizedOrder:
    instrument: int
    strategy: int
    side: int
    price_ticks: int
    quantity_lots: int
    action: int = Action.NEW
    order_type: int = OrderType.LIMIT
    reduce_only: bool = False


@dataclass(frozen=True)
class Refused:
    """What a REFUSAL says."""

    code: int
    observed: int = 0
    limit: int = 0


@dataclass
class Bucket:
    """Whole and part messages as a fraction."""

    messages: Fraction
    time_ns: int = 0

    def refill(self, now_ns: int, rate_per_s: int, burst: int) -> None:
        elapsed_ns = max(now_ns - self.time_ns, 0)
        self.messages = min(Fraction(burst), self.messages + Fraction(elapsed_ns * rate_per_s, 1_000_000_000))
        self.time_ns += elapsed_ns


@dataclass
class ReferenceRisk:
    """instruments: INSTRUMENT rows; books: BOOK_VIEW rows; accounts, strategies: ACCOUNT_VIEW rows, all read live."""

    instruments: np.ndarray[Any, Any]
    books: np.ndarray[Any, Any]
    accounts: np.ndarray[Any, Any]
    strategies: np.ndarray[Any, Any]
    settings: RiskSettings
    halt_reason: int = 0
    flattening: bool = False
    order_ring_full: bool = False
    now_ns: int = 0
    next_day_ns: int = 0
    day_start_atoms: int = 0
    cancels_over: int = 0
    suspended: set[int] = field(default_factory=set)
    equity: int = 0

    def __post_init__(self) -> None:
        names = [name.decode() for name in self.instruments["name"]]
        self.limit = dict(zip(Limit, self.settings.values(), strict=True))
        self.own = [self.settings.instrument_values(name) for name in names]
        self.references = [0] * len(names)
        self.passed: list[deque[tuple[int, ...]]] = [deque(maxlen=self.settings.repeat_memory) for _ in names]
        self.capital = self.settings.capital_quote * ATOMS_PER_UNIT
        self.peak_profit = 0
        self.equity = self.capital
        self.orders = Bucket(Fraction(self.settings.order_burst))
        self.cancels = Bucket(Fraction(self.settings.cancel_burst))

    # -- QUERIES --

    def atoms(self, index: int, lots: int, half_ticks: int) -> Fraction:
        """Value of lots at half ticks."""
        row = self.instruments[index]
        return Fraction(lots * half_ticks * int(row["atoms_numerator"]), 2 * int(row["atoms_denominator"]))

    def worst_lots(self, index: int, buy_lots: int = 0, sell_lots: int = 0) -> int:
        account = self.accounts[index]
        position = int(account["position_lots"])
        longest = position + int(account["open_buy_lots"]) + buy_lots
        shortest = position - int(account["open_sell_lots"]) - sell_lots
        return max(longest, -shortest)

    def has_no_price(self, index: int) -> bool:
        return self.worst_lots(index) != 0 and self.references[index] <= 0

    def worst_value(self, index: int, lots: int) -> int:
        return ceil(self.atoms(index, lots, self.references[index]))

    def gross_atoms(self) -> int:
        return sum(self.worst_value(index, self.worst_lots(index)) for index in range(len(self.instruments)))

    def profit_atoms(self) -> int:
        """Realised and unrealised at the reference prices, fees paid, over all instruments."""
        total = 0
        for index, account in enumerate(self.accounts):
            if self.has_no_price(index):
                continue  # counts nothing, and no order passes: see _check_exposure
            worth = int(account["position_lots"]) * self.references[index]
            closed = 2 * (int(account["realised_tick_lots"]) - int(account["cost_tick_lots"]))
            total += floor(self.atoms(index, 1, worth + closed)) - int(account["fees_atoms"])
        return total

    def daily_profit_atoms(self) -> int:
        return self.profit_atoms() - self.day_start_atoms

    def headroom(self) -> dict[Limit, int]:
        """Of what the accounts hold: limit minus worst case."""
        rows = range(len(self.instruments))
        worst = [self.worst_lots(index) for index in rows]
        return {
            Limit.POSITION_LOTS: min(self.own[i][1] - worst[i] for i in rows),
            Limit.POSITION_VALUE_ATOMS: min(self.own[i][2] - self.worst_value(i, worst[i]) for i in rows),
            Limit.GROSS_NOTIONAL_ATOMS: self.limit[Limit.GROSS_NOTIONAL_ATOMS] - self.gross_atoms(),
            Limit.OPEN_ORDERS: self.limit[Limit.OPEN_ORDERS] - int(self.accounts["open_orders"].sum()),
            Limit.DAILY_LOSS_ATOMS: self.limit[Limit.DAILY_LOSS_ATOMS] + self.daily_profit_atoms(),
        }

    def share_of_equity(self, bp: int) -> int:
        """So many basis points of the equity as the clock saw it last; a very large number where the limit is off."""
        return max(self.equity, 0) * bp // 10_000 if bp else _BITS_62

    def floor(self, top: int, bp: int) -> int:
        """The profit at which so much is lost of the equity that went with the profit `top`."""
        return top - max(self.capital + top, 0) * bp // 10_000 if bp else -_BITS_62

    # -- COMMANDS --

    def ring_full(self, full: bool) -> None:
        """The order ring has no room, or has some again."""
        self.order_ring_full = full

    def time(self, now_ns: int) -> None:
        """Core time goes on; figures are renewed and the day's loss is watched."""
        self._keep_time(now_ns)
        self._mark_held()
        self.peak_profit = max(self.peak_profit, self.profit_atoms())
        self.equity = self.capital + self.profit_atoms()
        self._watch_loss()
        self.orders.refill(self.now_ns, self.limit[Limit.ORDER_RATE_PER_S], self.limit[Limit.ORDER_BURST])
        self.cancels.refill(self.now_ns, self.limit[Limit.CANCEL_RATE_PER_S], self.limit[Limit.CANCEL_BURST])

    def command(self, command: int) -> None:
        if command == Command.RESUME:
            self.halt_reason, self.flattening = 0, False
        elif command in (Command.HALT, Command.STOP, Command.FLATTEN):
            self.halt_reason = self.halt_reason or Refusal.KILL_SWITCH
            self.flattening = command == Command.FLATTEN
        self.time(self.now_ns)

    def judge(self, order: SizedOrder, now_ns: int) -> Refused | None:
        """None: approved, and counted in the bucket and among the repeated orders."""
        self._keep_time(now_ns)
        if order.action in (Action.CANCEL, Action.QUERY):
            self.cancels.refill(self.now_ns, self.limit[Limit.CANCEL_RATE_PER_S], self.limit[Limit.CANCEL_BURST])
            if self.cancels.messages >= 1:
                self.cancels.messages -= 1
            else:
                self.cancels_over += 1
            return None
        for name, _ in CHECKS:
            refused: Refused | None = getattr(self, f"_check_{name}")(order)
            if refused:
                return refused
        terms = (order.side, order.price_ticks, order.quantity_lots)
        self.passed[order.instrument].append((self.now_ns, *terms))
        return None

    def _keep_time(self, now_ns: int) -> None:
        if now_ns <= self.now_ns:
            return
        self.now_ns = now_ns
        if now_ns >= self.next_day_ns:
            self._mark_held()
            self.next_day_ns = (now_ns // DAY_NS + 1) * DAY_NS
            self.day_start_atoms = self.profit_atoms()

    def _mid(self, index: int) -> int:
        book = self.books[index]
        if book["state"] == BookState.VALID and book["bid_quantity_lots"][0] > 0 and book["ask_quantity_lots"][0] > 0:
            return int(book["bid_price_ticks"][0] + book["ask_price_ticks"][0])
        return 2 * int(book["trade_price_ticks"])

    def _mark(self, index: int) -> None:
        """Bid plus ask of a valid book, else twice the last trade, else what was known before."""
        self.references[index] = self._mid(index) or self.references[index]

    def _mark_held(self) -> None:
        for index, account in enumerate(self.accounts):
            if account["position_lots"] or account["open_buy_lots"] or account["open_sell_lots"]:
                self._mark(index)

    def _watch_loss(self) -> Refused | None:
        """The loss that is reached, if one is; it halts."""
        profit, floors = self.profit_atoms(), self._floors()
        for code, top in ((Refusal.DAILY_LOSS, self.day_start_atoms), (Refusal.DRAWDOWN_HARD, self.peak_profit)):
            if profit < floors[code]:
                self.halt_reason = code
                return Refused(code, top - profit, top - floors[code])
        return None

    def _floors(self) -> dict[Refusal, int]:
        day = self.day_start_atoms
        return {
            Refusal.DAILY_LOSS: max(
                day - self.limit[Limit.DAILY_LOSS_ATOMS], self.floor(day, self.limit[Limit.DAILY_LOSS_BP])
            ),
            Refusal.DRAWDOWN_HARD: self.floor(self.peak_profit, self.limit[Limit.DRAWDOWN_HARD_BP]),
            Refusal.DRAWDOWN_SOFT: self.floor(self.peak_profit, self.limit[Limit.DRAWDOWN_SOFT_BP]),
        }

    def _closes_by_command(self, order: SizedOrder) -> bool:
        return self.flattening and order.reduce_only

    def _check_kill_switch(self, order: SizedOrder) -> Refused | None:
        if self.halt_reason and not self._closes_by_command(order):
            return Refused(Refusal.KILL_SWITCH, self.halt_reason)
        return None

    def _check_order_ring(self, order: SizedOrder) -> Refused | None:
        return Refused(Refusal.ORDER_RING_FULL) if self.order_ring_full else None

    def _check_instrument(self, order: SizedOrder) -> Refused | None:
        known = len(self.instruments)
        if order.instrument >= known or order.strategy >= len(self.strategies):
            return Refused(Refusal.INSTRUMENT_UNKNOWN, order.instrument, known)
        inverse = self.instruments["contract"][order.instrument] == Contract.INVERSE
        if self.strategies["instrument"][order.strategy] != order.instrument or inverse:
            return Refused(Refusal.INSTRUMENT_UNKNOWN, order.instrument, known)
        if order.instrument in self.suspended:
            return Refused(Refusal.INSTRUMENT_HALTED, order.instrument)
        return None

    def _check_book(self, order: SizedOrder) -> Refused | None:
        book = self.books[order.instrument]
        if book["state"] != BookState.VALID:
            return Refused(Refusal.BOOK_NOT_VALID, int(book["state"]), BookState.VALID)
        age_ns, limit_ns = self.now_ns - int(book["receive_time_ns"]), self.limit[Limit.STALE_DATA_NS]
        return Refused(Refusal.STALE_DATA, age_ns, limit_ns) if age_ns > limit_ns else None

    def _check_quantity(self, order: SizedOrder) -> Refused | None:
        row, lots = self.instruments[order.instrument], order.quantity_lots
        lowest, highest = int(row["minimum_quantity_lots"]), int(row["maximum_quantity_lots"])
        if not self._closes_by_command(order):
            highest = min(highest, self.own[order.instrument][0])
        if lots <= 0 or lots < lowest:
            return Refused(Refusal.QUANTITY_ZERO, lots, lowest)
        return Refused(Refusal.QUANTITY_TOO_LARGE, lots, highest) if lots > highest else None

    def _check_price(self, order: SizedOrder) -> Refused | None:
        row, price = self.instruments[order.instrument], order.price_ticks
        if order.side not in (Side.BID, Side.ASK):
            return Refused(Refusal.PRICE_NOT_TICK, order.side)
        self._mark(order.instrument)
        reference, market = self.references[order.instrument], order.order_type == OrderType.MARKET
        lowest, highest = int(row["minimum_price_ticks"]), int(row["maximum_price_ticks"])
        if not market and (price <= 0 or price < lowest):
            return Refused(Refusal.PRICE_NOT_TICK, price, lowest)
        if not market and price > highest:
            return Refused(Refusal.PRICE_NOT_TICK, price, highest)
        if reference <= 0:
            return Refused(Refusal.NO_REFERENCE_PRICE, 0, 1)
        away_bp, collar = Fraction(abs(2 * price - reference) * 10_000, reference), self.limit[Limit.PRICE_COLLAR_BP]
        return Refused(Refusal.PRICE_COLLAR, floor(away_bp), collar) if not market and away_bp > collar else None

    def _check_value(self, order: SizedOrder) -> Refused | None:
        row, market = self.instruments[order.instrument], order.order_type == OrderType.MARKET
        half_ticks = self.references[order.instrument] if market else 2 * order.price_ticks
        value = self.atoms(order.instrument, order.quantity_lots, half_ticks)
        highest = self.limit[Limit.ORDER_VALUE_ATOMS]
        lowest = max(self.limit[Limit.ORDER_VALUE_MINIMUM_ATOMS], int(row["minimum_notional_atoms"]))
        if ceil(value) >= 1 << 63:
            return Refused(Refusal.ARITHMETIC_OVERFLOW, order.quantity_lots, half_ticks)
        if value > highest and not self._closes_by_command(order):
            return Refused(Refusal.ORDER_VALUE, ceil(value), highest)
        if value < lowest and (not order.reduce_only or row["contract"] == Contract.SPOT):
            return Refused(Refusal.ORDER_VALUE_TOO_SMALL, floor(value), lowest)
        return None

    def _check_reduce_only(self, order: SizedOrder) -> Refused | None:
        account, selling = self.strategies[order.strategy], order.side == Side.ASK
        held = int(account["position_lots"]) * (1 if selling else -1)
        closing = int(account["open_sell_lots" if selling else "open_buy_lots"]) + order.quantity_lots
        return Refused(Refusal.REDUCE_ONLY, closing, max(held, 0)) if order.reduce_only and closing > held else None

    def _check_exposure(self, order: SizedOrder) -> Refused | None:
        self._mark_held()
        for index in range(len(self.instruments)):
            worst = self.worst_lots(index)
            if self.has_no_price(index):
                return Refused(Refusal.NO_REFERENCE_PRICE, index)
            if worst >= _BITS_62 or self.worst_value(index, worst) >= _BITS_61:
                return Refused(Refusal.ARITHMETIC_OVERFLOW, index)
        return None

    def _worst_with(self, order: SizedOrder) -> int:
        lots = order.quantity_lots
        return self.worst_lots(order.instrument, *((lots, 0) if order.side == Side.BID else (0, lots)))

    def _adds(self, order: SizedOrder) -> bool:
        return self._worst_with(order) > self.worst_lots(order.instrument)

    def _check_position(self, order: SizedOrder) -> Refused | None:
        account, limit = self.accounts[order.instrument], self.own[order.instrument]
        held = int(account["position_lots"]) * (1 if order.side == Side.BID else -1)
        is_open = int(account["open_buy_lots" if order.side == Side.BID else "open_sell_lots"])
        reached = held + is_open + order.quantity_lots
        if reached > limit[1]:
            return Refused(Refusal.POSITION_LIMIT, reached, limit[1])
        value = self.worst_value(order.instrument, self._worst_with(order))
        if value > limit[2] and self._adds(order):
            return Refused(Refusal.POSITION_LIMIT, value, limit[2])
        highest = self.share_of_equity(self.limit[Limit.CONCENTRATION_BP])
        return Refused(Refusal.CONCENTRATION, value, highest) if value > highest and self._adds(order) else None

    def _check_gross_notional(self, order: SizedOrder) -> Refused | None:
        before = self.worst_value(order.instrument, self.worst_lots(order.instrument))
        gross = self.gross_atoms() - before + self.worst_value(order.instrument, self._worst_with(order))
        limit, leverage = self.limit[Limit.GROSS_NOTIONAL_ATOMS], self.share_of_equity(self.limit[Limit.LEVERAGE_BP])
        if gross > leverage and self._adds(order):
            return Refused(Refusal.LEVERAGE, gross, leverage)
        return Refused(Refusal.GROSS_NOTIONAL, gross, limit) if gross > limit and self._adds(order) else None

    def _check_correlation(self, order: SizedOrder) -> Refused | None:
        return None  # needs results of the risk process, as CVaR does: tests/engine/risk/test_results.py

    def _check_cvar(self, order: SizedOrder) -> Refused | None:
        return None  # its reference is kernels/exposure/reference.py

    def _check_drawdown_soft(self, order: SizedOrder) -> Refused | None:
        limit, top = self.limit[Limit.DRAWDOWN_SOFT_BP], self.capital + self.peak_profit
        if self.profit_atoms() >= self._floors()[Refusal.DRAWDOWN_SOFT] or not self._adds(order):
            return None
        lost = max(self.peak_profit - (self.equity - self.capital), 0) * 10_000 // top
        return None if self._closes_by_command(order) else Refused(Refusal.DRAWDOWN_SOFT, lost, limit)

    def _check_open_orders(self, order: SizedOrder) -> Refused | None:
        count, limit = int(self.accounts["open_orders"].sum()) + 1, self.limit[Limit.OPEN_ORDERS]
        return Refused(Refusal.OPEN_ORDERS, count, limit) if count > limit else None

    def _check_daily_loss(self, order: SizedOrder) -> Refused | None:
        return None if self._closes_by_command(order) else self._watch_loss()

    def _check_repeated_order(self, order: SizedOrder) -> Refused | None:
        terms, since_ns = (
            (order.side, order.price_ticks, order.quantity_lots),
            self.now_ns - self.limit[Limit.REPEAT_WINDOW_NS],
        )
        count = 1 + sum(time > since_ns and tuple(rest) == terms for time, *rest in self.passed[order.instrument])
        limit = self.limit[Limit.REPEATED_ORDERS]
        return Refused(Refusal.REPEATED_ORDER, count, limit) if count > limit else None

    def _check_message_rate(self, order: SizedOrder) -> Refused | None:
        self.orders.refill(self.now_ns, self.limit[Limit.ORDER_RATE_PER_S], self.limit[Limit.ORDER_BURST])
        if self.orders.messages < 1:
            return Refused(Refusal.MESSAGE_RATE, 1, 0)
        self.orders.messages -= 1
        return None

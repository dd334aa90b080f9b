"""The venue `binance`: orders to the WebSocket order API, answers and events back as reports.

What is sure is told at once; what is not sure is told as UNKNOWN and asked for by client id (`inquiry.py`). While an
order is in doubt nothing new is sent for it: its cancels and replacements wait.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from engine import clock
from engine.gateway.attempts import Attempt
from engine.gateway.config import GatewaySettings
from engine.gateway.connection import Answer, Connection
from engine.gateway.credentials import Credentials
from engine.gateway.inquiry import Inquiry
from engine.gateway.order_message import OrderMessage
from engine.gateway.order_params import cancel_params, order_params, replace_params
from engine.gateway.order_table import OrderTable
from engine.gateway.orders import NS_PER_MS, Order, OrderWords, Standing
from engine.gateway.rate_limit import RateLimits
from engine.gateway.refusals import (
    NOT_REPLACED,
    PARTLY_REPLACED,
    UNKNOWN_ORDER,
    VenueWords,
    is_uncertain,
)
from engine.gateway.reports import Report
from engine.gateway.strangers import Strangers, side_of
from engine.gateway.symbols import Symbol
from engine.gateway.venue import ReportSink
from ipc.messages import Action, Refusal, ReportKind, Side

POLL_INTERVAL_NS = NS_PER_MS


class BinanceSession:
    """A Venue (`venue.py`). `instruments` is the run's table; its rows are the instrument numbers of messages."""

    def __init__(
        self,
        settings: GatewaySettings,
        credentials: Credentials,
        instruments: np.ndarray,
        run_id: str,
        report: ReportSink,
        *,
        seed: int = 0,
        halted: Callable[[], bool] = lambda: False,
    ) -> None:
        """`halted` is asked again before a replacement that waited is sent."""
        self._settings, self._run_id, self._report = settings, run_id, report
        self._symbols = [Symbol(index, row) for index, row in enumerate(instruments)]
        self._limits = RateLimits(settings)
        self._connection = Connection(settings, credentials, self._limits, self, seed)
        self._inquiry = Inquiry(settings, self._connection, self._limits, self._settle)
        self._table = OrderTable(run_id, self._symbols, settings.remembered_orders)
        self._open, self._finished = self._table.open, self._table.finished
        self._strangers = Strangers(self._connection, self._limits, self._symbols, self._table.number_of, self._take_in)
        self._words = self._inquiry.words = OrderWords(self._say, self._inquiry.fetch_trades)
        self._halted, self._venue_words = halted, VenueWords()
        self._stopped = False
        self._next_poll_ns = 0
        self.foreign_events = 0

    # -- QUERIES --

    @property
    def connection(self) -> Connection:
        return self._connection

    @property
    def takes_new(self) -> bool:
        """Whether new orders are sent: connected, and what was in doubt before has been asked for."""
        return self._connection.ready and not self._connection.asking

    @property
    def send_called_ns(self) -> int:
        return self._connection.send_called_ns

    @property
    def limits(self) -> RateLimits:
        return self._limits

    @property
    def foreign(self) -> int:
        """Orders and events of the account that are not of this run, as far as they were heard of."""
        return self.foreign_events + self._strangers.found

    @property
    def open_orders(self) -> dict[int, Order]:
        """Every order that has not ended, by number. Live."""
        return self._open

    def refusal(self, order: OrderMessage) -> Refusal:
        """Raises nothing: an instrument that the table lacks is a refusal too."""
        action = order.action
        if order.instrument >= len(self._symbols):
            return Refusal.INSTRUMENT_UNKNOWN
        if action == Action.QUERY:
            return Refusal.NONE
        if action == Action.CANCEL:
            return Refusal.NONE if self._connection.ready else Refusal.VENUE_DISCONNECTED
        if not self.takes_new:
            return Refusal.VENUE_DISCONNECTED
        may = self._limits.may_order(clock.utc_ns() // NS_PER_MS)
        return Refusal.NONE if may else Refusal.VENUE_RATE_LIMIT

    # -- COMMANDS --

    async def start(self) -> None:
        await self._connection.start()

    async def stop(self) -> None:
        self._stopped = True
        await self._connection.stop()

    def recover(self, attempts: Sequence[Attempt]) -> None:
        for attempt in attempts:
            if attempt.action in (Action.NEW, Action.REPLACE):
                symbol, client_id = self._symbols[attempt.instrument], self._table.client_id(attempt.number)
                order = Order.of_attempt(attempt, symbol, client_id, clock.utc_ns())
                order.standing = Standing.LIVE
                self._open[order.number] = order
                self._words.doubted(order, Refusal.VENUE_DISCONNECTED)
        for order in self._open.values():
            target = self._open.get(order.replaces)
            if target is not None:
                target.replaced_by = order.number

    def submit(self, order: OrderMessage, sent_id: int = 0) -> None:
        """`sent_id`: the order lane has sent it already, as the request of this id; what is left is to remember it."""
        if order.action == Action.NEW:
            self._place(order, sent_id)
        elif order.action == Action.QUERY:
            self._asked(order)
        else:
            self._change(order, clock.utc_ns(), sent_id)

    def poll(self, now_ns: int) -> None:
        """Raises what ended the connection's work: an error of ours, which the process is to end by."""
        if self._connection.failure is not None:
            raise self._connection.failure
        if now_ns < self._next_poll_ns:
            return
        self._next_poll_ns = now_ns + POLL_INTERVAL_NS
        self._connection.poll(now_ns)
        if self._connection.ready:
            self._inquiry.poll(self._open, now_ns)
            self._strangers.poll(now_ns)

    # -- of the connection --

    def on_ready(self) -> None:
        self._inquiry.begin(self._open)
        self._strangers.begin()

    def on_cut(self) -> None:
        """Whatever was under way, nobody knows how it ended."""
        self._inquiry.cut()
        for order in tuple(self._open.values()):
            self._words.doubted(order, Refusal.VENUE_DISCONNECTED)
            order.query_at_ns, order.querying = 0, False

    def on_event(self, event: dict[str, Any]) -> None:
        """One event of the user data stream."""
        if event["e"] == "eventStreamTerminated":  # no fill would be told any more, and all would look well
            self._connection.begin_anew()
        if event["e"] != "executionReport":
            return
        client_id = event["C"] if event["x"] == "CANCELED" and event["C"] else event["c"]
        number = self._table.number_of(str(client_id))
        if number is None:
            self.foreign_events += 1
            return
        order = self._table.find(number) or self._forgotten(number, event)
        if order is None:
            return
        order.word_ns = clock.utc_ns()
        if order.number in self._finished:
            if event["x"] == "TRADE":  # a fill that overtook or was overtaken: the trade id tells whether it is new
                self._words.event(order, event)
            return
        self._words.event(order, event)
        self._settle(order)

    # -- new orders --

    def _place(self, message: OrderMessage, sent_id: int) -> None:
        order = self._table.track(message)

        def done(answer: Answer | None) -> None:
            self._placed(order, answer)

        if sent_id:
            self._connection.expect(sent_id, done, order.attempt_ns)
            return
        params = order_params(message, order)
        self._connection.request("order.place", params, done, orders=1, at_ns=order.attempt_ns)

    def _placed(self, order: Order, answer: Answer | None) -> None:
        if not order.open or answer is None:
            self._inquiry.doubt(order)
            return
        order.word_ns = clock.utc_ns()
        if answer["status"] == 200:
            result = answer["result"]
            self._words.accepted(order, int(result["orderId"]), int(result["transactTime"]))
        else:
            self._refused(order, int(answer["status"]), answer["error"])
        self._settle(order)

    def _refused(self, order: Order, status: int, error: dict[str, Any]) -> None:
        """A new order or the new half of a replacement that the venue did not take."""
        code, text = int(error["code"]), str(error["msg"])
        if is_uncertain(status, code, text) or order.standing == Standing.LIVE:
            self._inquiry.doubt(order)
            return
        self._words.ended(order, ReportKind.REJECTED, 0, self._venue_words.refusal_of(order.client_id, code, text))

    # -- cancels and replacements --

    def _change(self, message: OrderMessage, now_ns: int, sent_id: int = 0) -> None:
        """A cancel or a replacement: sent, or kept until its target is out of doubt."""
        target = self._open.get(message.target_order_id)
        replaces = message.action == Action.REPLACE
        order = self._table.track(message, now_ns) if replaces else None
        if sent_id and target is None:
            raise LookupError(f"order {message.order_id} was sent and its target {message.target_order_id} is unknown")
        if target is None:
            self._nothing_to_change(message, order)
        elif target.standing == Standing.DOUBT and not sent_id:
            target.deferred.append(message)
        else:
            self._send_change(message, target, order, now_ns, sent_id)

    def _send_change(
        self, message: OrderMessage, target: Order, order: Order | None, now_ns: int, sent_id: int
    ) -> None:
        def done(answer: Answer | None) -> None:
            if order is None:
                self._cancelled(target, answer)
            else:
                self._replaced(target, order, answer)

        if order is not None:
            target.replaced_by = order.number
        if sent_id:
            self._connection.expect(sent_id, done, now_ns)
        elif order is None:
            self._connection.request("order.cancel", cancel_params(target), done)
        else:
            params = replace_params(message, order, target)
            self._connection.request("order.cancelReplace", params, done, orders=1, at_ns=order.attempt_ns)

    def _nothing_to_change(self, message: OrderMessage, order: Order | None) -> None:
        """The target has ended, or never was."""
        if order is not None:
            self._words.ended(order, ReportKind.REJECTED, 0, Refusal.VENUE_UNKNOWN_ORDER)
            self._settle(order)
            return
        known = self._finished.get(message.target_order_id)
        self._say(
            Report(
                kind=ReportKind.CANCEL_REJECTED,
                order_id=message.target_order_id,
                instrument=message.instrument,
                side=message.side,
                code=Refusal.VENUE_UNKNOWN_ORDER,
                cumulative_lots=known.filled_lots if known else 0,
            )
        )

    def _cancelled(self, target: Order, answer: Answer | None) -> None:
        if not target.open:
            return
        if answer is None:
            self._reject_cancel(target, Refusal.VENUE_TIMEOUT)
            self._inquiry.doubt(target)
            return
        target.word_ns = clock.utc_ns()
        if answer["status"] == 200:
            self._words.status(target, answer["result"])
        else:
            code, text = int(answer["error"]["code"]), str(answer["error"]["msg"])
            self._reject_cancel(target, self._venue_words.refusal_of(target.client_id, code, text))
            if code == UNKNOWN_ORDER or is_uncertain(int(answer["status"]), code, text):
                self._inquiry.doubt(target)
        self._settle(target)

    def _reject_cancel(self, target: Order, code: Refusal) -> None:
        self._say(
            Report(
                kind=ReportKind.CANCEL_REJECTED,
                order_id=target.number,
                instrument=target.symbol.index,
                side=target.side,
                code=code,
                cumulative_lots=target.filled_lots,
                venue_order_id=target.venue_order_id,
            )
        )

    def _replaced(self, target: Order, order: Order, answer: Answer | None) -> None:
        """Both halves of a replacement."""
        error = {} if answer is None else answer.get("error") or {}
        if answer is None or (answer["status"] != 200 and error.get("code") not in (PARTLY_REPLACED, NOT_REPLACED)):
            if answer is not None and not is_uncertain(int(answer["status"]), int(error["code"]), str(error["msg"])):
                target.replaced_by = 0  # refused as a whole: neither half was tried
                self._refused(order, int(answer["status"]), error)
                self._settle(order)
                return
            for each in (target, order):
                self._inquiry.doubt(each)
            return
        halves = answer["result"] if answer["status"] == 200 else error["data"]
        target.word_ns = order.word_ns = clock.utc_ns()
        if halves["cancelResult"] == "SUCCESS":
            if target.open:
                self._words.status(target, halves["cancelResponse"])
        else:
            target.replaced_by = 0
            self._inquiry.doubt(target)
        new = halves["newOrderResponse"]
        if halves["newOrderResult"] == "SUCCESS":
            self._words.accepted(order, int(new["orderId"]), int(new["transactTime"]))
        elif order.open:
            self._refused(order, 400, new or halves["cancelResponse"])
        for each in (target, order):
            self._settle(each)

    # -- doubts --

    def _asked(self, message: OrderMessage) -> None:
        """QUERY: the core wants to know again, fills included, even of an order that has ended."""
        number = message.target_order_id
        order = self._open.get(number) or self._finished.pop(number, None)
        if order is None:
            now_ns = clock.utc_ns()
            order = Order.of(message, self._symbols[message.instrument], self._table.client_id(number), now_ns)
            order.number, order.replaces = number, 0
            order.attempt_ns = 0  # long ago
        order.trades.clear()
        order.filled_lots = 0
        order.standing, order.querying = Standing.DOUBT, False
        order.query_at_ns = 0
        self._open[number] = order

    # -- the table of orders --

    def _forgotten(self, number: int, event: dict[str, Any]) -> Order | None:
        """An order of this run that is known no more: taken in again for a fill, for none of ours may be lost."""
        symbol = next((symbol for symbol in self._symbols if symbol.name == event["s"]), None)
        if symbol is not None and event["x"] == "TRADE":
            self._take_in(number, symbol, side_of(event["S"]), symbol.quantity_lots(event["q"]))
        return self._table.find(number)

    def _take_in(self, number: int, symbol: Symbol, side: Side, quantity_lots: int) -> None:
        """An order of this run that the venue speaks of: in doubt, and asked for, where it is not known."""
        if self._table.find(number) is None:
            client_id = self._table.client_id(number)
            order = Order(number, symbol, side, quantity_lots, 0, client_id, standing=Standing.LIVE)
            self._open[number] = order
            self._words.doubted(order, Refusal.ORDER_UNKNOWN)

    def _settle(self, order: Order) -> None:
        """After a word about an order: what waited for it goes on, and a finished one is put away."""
        if not order.open:
            self._table.put_away(order)
        if order.deferred and order.standing in (Standing.LIVE, Standing.FINISHED):
            waiting, order.deferred = order.deferred, []
            for message in waiting:
                self._resume(message)

    def _resume(self, message: OrderMessage) -> None:
        """A cancel or replacement whose target is out of doubt; what forbids a new order may have come meanwhile."""
        order = self._open.get(message.order_id)
        if order is None and message.action == Action.REPLACE:
            return  # it was in doubt as well, and its end has been told
        code = Refusal.NONE
        if order is not None:  # asked again what was asked before it waited
            code = Refusal.GATEWAY_HALTED if self._halted() else self.refusal(message)
        if order is not None and code != Refusal.NONE:
            self._words.ended(order, ReportKind.REJECTED, 0, code)
            self._settle(order)
        else:
            self._change(message, clock.utc_ns())

    def _say(self, report: Report) -> None:
        if not self._stopped:
            self._report(report.records())

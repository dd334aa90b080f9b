"""Asking the venue what became of an order: by client id, and for its trades where a fill is missing.

"Not found" counts only once the request can no longer arrive: `receive_window_ms` plus `clock_error_ms` after the
attempt. Until then the question is put again; and as long again where the venue had acknowledged the order, for then
its records are behind. Nothing final is said of an order while one of its fills is missing.

After each log-on whatever is in doubt is asked for before anything new is sent (`Connection.asking`).
"""

from collections.abc import Callable

from engine import clock
from engine.gateway.config import GatewaySettings
from engine.gateway.connection import Answer, Connection
from engine.gateway.orders import NS_PER_MS, Order, OrderWords, Standing
from engine.gateway.rate_limit import RateLimits
from engine.gateway.refusals import NO_SUCH_ORDER
from ipc.messages import Refusal, ReportKind

STATUS_WEIGHT = 4
TRADES_WEIGHT = 20
TRADES_LIMIT = 1_000
RECONCILE_SHARE = 0.25  # of the request weight a minute, beyond which silence alone is no reason to ask


class Inquiry:
    """At most `queries_in_flight` questions at a time. `settle` is called after each word about an order."""

    words: OrderWords

    def __init__(
        self,
        settings: GatewaySettings,
        connection: Connection,
        limits: RateLimits,
        settle: Callable[[Order], None],
    ) -> None:
        self._settings, self._connection, self._limits, self._settle = settings, connection, limits, settle
        self._in_flight = 0
        self._unasked: set[int] = set()  # in doubt since before the log-on, and the venue has not yet answered
        self._retry_ns = settings.query_retry_ms * NS_PER_MS
        self._window_ns = (settings.receive_window_ms + settings.clock_error_ms) * NS_PER_MS
        self._reconcile_ns = settings.reconcile_interval_ms * NS_PER_MS

    # -- COMMANDS --

    def begin(self, orders: dict[int, Order]) -> None:
        """A log-on: everything is asked for at once, what is in doubt before anything new is sent."""
        for order in orders.values():
            order.query_at_ns = 0
        self._unasked = set(orders)
        self._keep_asking(orders)

    def _keep_asking(self, orders: dict[int, Order]) -> None:
        """What is out of doubt by another word, an event for one, need not be waited for."""
        if self._unasked:
            self._unasked &= {number for number, order in orders.items() if order.standing == Standing.DOUBT}
        self._connection.asking = bool(self._unasked)

    def poll(self, orders: dict[int, Order], now_ns: int) -> None:
        """Asks for what is in doubt and due; and, with a part of the venue's weight, for what was silent too long."""
        if self._connection.asking:
            self._keep_asking(orders)
        spare = self._limits.weight_used(now_ns // NS_PER_MS) < RECONCILE_SHARE * self._limits.weight.limit
        for order in tuple(orders.values()):
            in_doubt = order.standing == Standing.DOUBT and now_ns >= order.query_at_ns
            silent = spare and order.standing == Standing.LIVE and now_ns - order.word_ns >= self._reconcile_ns
            if (in_doubt or silent) and not order.querying and not self.query(order, now_ns):
                return

    def cut(self) -> None:
        """The connection broke: no answer is on its way any more."""
        self._in_flight = 0

    def doubt(self, order: Order) -> None:
        """Nobody knows how it stands: reported UNKNOWN and asked for at once."""
        if order.open:
            self.words.doubted(order, Refusal.VENUE_TIMEOUT)
            order.query_at_ns = clock.utc_ns()

    def query(self, order: Order, now_ns: int) -> bool:
        """Asks how an order stands; False when no more may be asked now."""
        may = self._limits.may_request(now_ns // NS_PER_MS, STATUS_WEIGHT + TRADES_WEIGHT)
        if self._in_flight >= self._settings.queries_in_flight or not may:
            return False
        self._begin(order)
        self._connection.request(
            "order.status",
            {"symbol": order.symbol.name, "origClientOrderId": order.client_id},
            lambda answer: self._told(order, answer, now_ns),
            weight=STATUS_WEIGHT,
        )
        return True

    def fetch_trades(self, order: Order) -> None:
        """A fill is missing: fetches all trades of the order, then asks how it stands."""
        if order.querying:
            order.recheck = True
            return
        self._begin(order)
        params = {"symbol": order.symbol.name, "orderId": order.venue_order_id, "limit": TRADES_LIMIT}
        if order.page_from >= 0:
            params["fromId"] = order.page_from
        self._connection.request(
            "myTrades",
            params,
            lambda answer: self._fetched(order, answer),
            weight=TRADES_WEIGHT,
        )

    # -- the pieces --

    def _begin(self, order: Order) -> None:
        self._in_flight += 1
        order.querying, order.recheck = True, False

    def _end(self, order: Order) -> None:
        order.querying = False
        self._in_flight = max(self._in_flight - 1, 0)

    def _told(self, order: Order, answer: Answer | None, asked_ns: int) -> None:
        """The answer to order.status."""
        self._end(order)
        if answer is not None:
            self._unasked.discard(order.number)
        if not order.open:
            return
        now_ns = order.word_ns = clock.utc_ns()
        order.query_at_ns = now_ns + self._retry_ns  # unless the answer tells
        if answer is not None and answer["status"] == 200:
            order.missed_ns = 0
            self.words.status(order, answer["result"])
            self._again_if_asked(order, now_ns)
            self._settle(order)
        elif answer is not None and int(answer["error"]["code"]) == NO_SUCH_ORDER:
            self._not_found(order, asked_ns, now_ns)

    def _not_found(self, order: Order, asked_ns: int, now_ns: int) -> None:
        last_arrival_ns = order.attempt_ns + self._window_ns
        if order.venue_order_id:
            order.missed_ns = order.missed_ns or now_ns
            last_arrival_ns = max(last_arrival_ns, order.missed_ns + self._window_ns)
        if asked_ns > last_arrival_ns:
            self.words.ended(order, ReportKind.NOT_FOUND, 0, Refusal.VENUE_UNKNOWN_ORDER)
            self._settle(order)
            return
        self.words.doubted(order, Refusal.VENUE_UNKNOWN_ORDER)
        order.query_at_ns = min(now_ns + self._retry_ns, last_arrival_ns + NS_PER_MS)

    def _fetched(self, order: Order, answer: Answer | None) -> None:
        """The answer to myTrades."""
        self._end(order)
        now_ns = order.word_ns = clock.utc_ns()
        before, page = len(order.trades), []
        if answer is not None and answer["status"] == 200:
            page = sorted(answer["result"], key=lambda entry: int(entry["id"]))
            for trade in page:
                self.words.traded(order, trade, 0)
        if order.open and len(page) >= TRADES_LIMIT:  # there are more: from the first on, page by page
            order.page_from = 0 if order.page_from < 0 else int(page[-1]["id"]) + 1
            self.fetch_trades(order)
            return
        order.page_from = -1
        if order.open and (len(order.trades) == before or not self.query(order, now_ns)):
            self.words.doubted(order, Refusal.VENUE_TIMEOUT)  # the venue's list is behind, or it did not answer
            order.query_at_ns = now_ns + self._retry_ns
        self._settle(order)

    def _again_if_asked(self, order: Order, now_ns: int) -> None:
        """A fill was found missing while this answer was on its way: it may be older than that."""
        if order.recheck and order.open and not order.querying:
            order.recheck = False
            order.word_ns = 0 if not self.query(order, now_ns) else now_ns

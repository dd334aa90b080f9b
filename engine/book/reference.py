"""The obvious book: what `levels.pyx` and `stage.pyx` must agree with, and nothing more."""

from typing import Any

from ipc.messages import BookReason, BookState, Flag, Kind, Side, Source

PRICE_LIMIT = 1 << 61  # ticks


class ReferenceLevels:
    """One side of a book as a dict from price to quantity, with no limit to its depth."""

    def __init__(self, side: int) -> None:
        self.side = side
        self.quantity_by_price: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self.quantity_by_price)

    def quantity(self, price_ticks: int) -> int:
        return self.quantity_by_price.get(price_ticks, 0)

    def best_levels(self, depth: int) -> list[tuple[int, int]]:
        prices = sorted(self.quantity_by_price, reverse=self.side == Side.BID)[:depth]
        return [(price, self.quantity_by_price[price]) for price in prices]

    def best(self) -> tuple[int, int] | None:
        return next(iter(self.best_levels(1)), None)

    def set(self, price_ticks: int, quantity_lots: int) -> bool:
        if quantity_lots < 0 or abs(price_ticks) >= PRICE_LIMIT:
            return False
        if quantity_lots == 0:
            self.quantity_by_price.pop(price_ticks, None)
        else:
            self.quantity_by_price[price_ticks] = quantity_lots
        return True

    def clear(self) -> None:
        self.quantity_by_price.clear()


Best = tuple[tuple[int, int], tuple[int, int]]  # (price, quantity) of the best bid and of the best ask
Row = dict[str, Any]  # one record: field name to value


class ReferenceBook:
    """One instrument's book and its state, each derived anew from a few plain facts after every message.

    Takes every message of the market in order, those of other instruments too: they move the clock.
    """

    def __init__(self, instrument: int, stale_after_ns: int, disagreement_ns: int) -> None:
        self.instrument = instrument
        self.stale_after_ns = stale_after_ns
        self.disagreement_ns = disagreement_ns
        self.now_ns = 0
        self.feed_state, self.feed_reason = BookState.SYNCING, BookReason.START
        self.snapshot_begun = self.applying = self.halted = self.quiet = False
        self.book_time_ns = 0
        self.disagrees_since_ns = 0
        self.disagrees = False
        self.gaps = self.crossed = self.batches = self.compared = self.equal = self.update_id = 0
        self.bids, self.asks = ReferenceLevels(Side.BID), ReferenceLevels(Side.ASK)
        self.crossed_now = False
        self.quotes: list[tuple[int, Best]] = []
        self.waiting: list[tuple[int, Best]] = []  # own best after updates that no later quote has followed yet

    # -- QUERIES --

    def state(self) -> tuple[BookState, BookReason]:
        if self.feed_state != BookState.VALID:
            return self.feed_state, self.feed_reason
        if self.halted:
            return BookState.SUSPECT, BookReason.VENUE_HALTED
        if self.crossed_now:
            return BookState.SUSPECT, BookReason.CROSSED
        if self.disagrees:
            return BookState.SUSPECT, BookReason.BBO_DISAGREES
        if self.quiet:
            return BookState.STALE, BookReason.QUIET
        return BookState.VALID, self.feed_reason

    def is_crossed(self) -> bool:
        bid, ask = self.bids.best(), self.asks.best()
        return bid is not None and ask is not None and bid[0] >= ask[0]

    # -- COMMANDS --

    def take(self, message: list[Row]) -> None:
        """One message: its records."""
        head = message[0]
        if head["kind"] == Kind.LAPPED:
            if head["extra"] == Source.MARKET:
                self._lose(BookReason.LAPPED)
            return
        if head["kind"] != Kind.LEVEL or head["flags"] & Flag.LAST:
            self.now_ns = max(self.now_ns, head["receive_time_ns"])
            if self.feed_state == BookState.VALID and self.now_ns > self.book_time_ns + self.stale_after_ns:
                self.quiet = True
        if head["kind"] != Kind.TIME and head["instrument"] == self.instrument:
            self._take_own(message)

    def _take_own(self, message: list[Row]) -> None:
        head = message[0]
        if head["kind"] == Kind.LEVEL:
            self._level(head)
        elif head["kind"] == Kind.QUOTE:
            sides = [(record["price_ticks"], record["quantity_lots"]) for record in message]
            self._quote(head["order_id"], (sides[0], sides[1]))
        elif head["kind"] == Kind.BOOK_STATE:
            self._feed_says(BookState(head["extra"]), BookReason(head["quantity_lots"]), head["receive_time_ns"])
        elif head["kind"] == Kind.TRADING_STATUS:
            self.halted = head["extra"] == 0
        elif head["kind"] == Kind.TICK_CHANGE:
            self._clear()
            self.quotes = []
            self.feed_state, self.feed_reason = BookState.SYNCING, BookReason.TICK_CHANGED
            self.snapshot_begun = False

    def _level(self, record: Row) -> None:
        snapshot = bool(record["flags"] & Flag.SNAPSHOT)
        self.applying = self.applying or (self.snapshot_begun and snapshot)
        if not self.applying:
            return
        side = self.bids if record["side"] == Side.BID else self.asks
        side.set(record["price_ticks"], record["quantity_lots"])
        if not record["flags"] & Flag.LAST:
            return
        self.batches += 1
        self.update_id = record["order_id"]
        self.book_time_ns = record["receive_time_ns"]
        if self.feed_state == BookState.VALID:
            self.quiet = False
            self.crossed_now = self.is_crossed()
            self.crossed += self.crossed_now
        if not snapshot:
            self.waiting.append((self.update_id, (self.bids.best() or (0, 0), self.asks.best() or (0, 0))))
            self._compare_what_can_be()

    def _feed_says(self, state: BookState, reason: BookReason, time_ns: int) -> None:
        if state == BookState.GAP:
            self._lose(reason)
            return
        if state == BookState.SYNCING:
            self._clear()
            self.snapshot_begun = True
        elif not self.snapshot_begun:
            return
        self.feed_state, self.feed_reason = state, reason
        if state == BookState.VALID:
            self.applying = True
            self.quiet = False
            self.book_time_ns = time_ns
            self.crossed_now = self.is_crossed()

    def _lose(self, reason: BookReason) -> None:
        self.gaps += self.feed_state != BookState.GAP
        self.feed_state, self.feed_reason = BookState.GAP, reason
        self.snapshot_begun = self.applying = False

    def _clear(self) -> None:
        self.bids.clear()
        self.asks.clear()
        self.applying = self.quiet = self.crossed_now = self.disagrees = False
        self.disagrees_since_ns = 0
        self.waiting = []

    def _quote(self, update_id: int, best: Best) -> None:
        if self.quotes and update_id < self.quotes[-1][0]:
            self.quotes, self.waiting = [], []
        self.quotes.append((update_id, best))
        self._compare_what_can_be()

    def _compare_what_can_be(self) -> None:
        """An update is compared with the last quote of at most its id, once a quote beyond says that it is the last."""
        still_waiting = []
        for update_id, own in self.waiting:
            if not self.quotes:
                continue  # the venue's stream had not begun: never compared
            if self.quotes[-1][0] <= update_id:
                still_waiting.append((update_id, own))
                continue
            earlier = [best for quote_id, best in self.quotes if quote_id <= update_id]
            if earlier:
                self._compare(own, earlier[-1])
        self.waiting = still_waiting

    def _compare(self, own: Best, venue: Best) -> None:
        self.compared += 1
        if own == venue:
            self.equal += 1
            self.disagrees_since_ns, self.disagrees = 0, False
        elif self.disagrees_since_ns == 0:
            self.disagrees_since_ns = self.now_ns
        elif self.now_ns - self.disagrees_since_ns > self.disagreement_ns:
            self.disagrees = True

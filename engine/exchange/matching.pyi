from engine.exchange.events import Event

class MatchingEngine:
    """One symbol's book: price-time priority, integers, EXPIRE_MAKER self-trade rule. See matching.pyx."""

    resting: int
    update_id: int
    trade_id: int

    def __init__(
        self,
        order_capacity: int = ...,
        level_capacity: int = ...,
        event_capacity: int = ...,
        first_update_id: int = ...,
        first_trade_id: int = ...,
    ) -> None: ...
    def events(self) -> list[Event]: ...
    def best(self, side: int) -> tuple[int, int]: ...
    def depth(self, side: int, limit: int) -> list[tuple[int, int]]: ...
    def quantity_at(self, side: int, price_ticks: int) -> int: ...
    def remaining(self, order_id: int) -> int: ...
    def submit(
        self, owner: int, side: int, order_type: int, time_in_force: int, price_ticks: int, quantity_lots: int
    ) -> int: ...
    def cancel(self, order_id: int) -> int: ...
    def replace(
        self,
        order_id: int,
        owner: int,
        side: int,
        order_type: int,
        time_in_force: int,
        price_ticks: int,
        quantity_lots: int,
    ) -> int: ...

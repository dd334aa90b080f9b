"""Settings of the built-in exchange."""

import msgspec


class SymbolSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One market. Sizes and prices are decimal text, as in the venue's filters."""

    symbol: str = "BTCUSDT"
    base_asset: str = "BTC"
    quote_asset: str = "USDT"
    tick_size: str = "0.01"
    lot_size: str = "0.00001"
    start_price: str = "60000.00"
    minimum_notional: str = "5"
    maker_fee_e7: int = 10_000
    taker_fee_e7: int = 10_000


class FlowSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The order flow of everybody else (flow.py says what each means)."""

    events_per_s: float = 400.0  # long-run mean of commands; 0 for a market that stands still
    branching_ratio: float = 0.6  # share of events that another event set off
    cluster_decay_per_s: float = 20.0
    market_share: float = 0.08  # of events
    resting_orders_per_side: int = 800
    join_share: float = 0.5  # of limit orders: placed at the best price, or one tick better
    half_spread_ticks: int = 1
    lean_ticks: float = 20.0  # the mid so far from the fundamental price: three takers of four go towards it
    offset_scale_ticks: float = 3_000.0
    offset_tail: float = 1.5
    volatility_per_sqrt_s: float = 1e-5  # of the fundamental price, relative
    size_minimum_lots: int = 100
    size_tail: float = 1.4
    size_maximum_lots: int = 500_000
    longest_pause_s: float = 1.0  # after a longer stall of the machine the flow goes on from now, without a burst

    def __post_init__(self) -> None:
        if self.events_per_s < 0:
            raise ValueError(f"flow.events_per_s must not be negative, got {self.events_per_s}")
        if not 0 <= self.branching_ratio < 1:
            raise ValueError(f"flow.branching_ratio must be at least 0 and below 1, got {self.branching_ratio}")
        if not 1 <= self.resting_orders_per_side <= 20_000:
            raise ValueError(f"flow.resting_orders_per_side must be 1 to 20000, got {self.resting_orders_per_side}")


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One way to misbehave (misbehaviour.py lists points and actions)."""

    point: str  # market, request, answer, event
    action: str  # drop, duplicate, reorder, delay, disconnect, disconnect_after, rubbish
    probability: float = 1.0
    count: int = 0  # at most so often; 0 for no limit
    delay_ms: float = 50.0
    method: str = ""  # only requests of this method, such as order.place; "" for all

    def __post_init__(self) -> None:
        if self.point not in {"market", "request", "answer", "event"}:
            raise ValueError(f"fault.point must be market, request, answer or event, got {self.point!r}")
        actions = {"drop", "duplicate", "reorder", "delay", "disconnect", "disconnect_after", "rubbish"}
        if self.action not in actions:
            raise ValueError(f"fault.action must be one of {', '.join(sorted(actions))}, got {self.action!r}")
        if not 0 <= self.probability <= 1:
            raise ValueError(f"fault.probability must be 0 to 1, got {self.probability}")


class ExchangeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole exchange. `credentials_file` is written by `credentials.make_credentials`."""

    host: str = "127.0.0.1"
    port: int = 0  # 0: a free one, told by the ready line
    seed: int = 1
    symbols: tuple[SymbolSettings, ...] = (SymbolSettings(),)
    flow: FlowSettings = FlowSettings()
    faults: tuple[Fault, ...] = ()
    ledger_file: str = ""  # "" keeps the ledger in memory only
    credentials_file: str = ""  # "" lets nobody trade
    base_balance: str = "1000"
    quote_balance: str = "100000000"
    orders_per_10_s: int = 100
    request_weight_per_minute: int = 6_000
    remembered_orders: int = (
        100_000  # closed client orders beyond are forgotten, oldest first; the ledger file has them
    )
    send_queue_frames: int = 10_000  # a reader that falls further behind is disconnected
    session_ping_s: float = 20.0
    record_sends: bool = False  # notes when each depth frame left and each order came in, for GET /bot4/sends

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise ValueError(f"exchange.port must be 0 to 65535, got {self.port}")
        if not self.symbols:
            raise ValueError("exchange.symbols must name at least one symbol")

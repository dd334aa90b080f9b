"""Settings of the gateway. Secrets are never here: see `credentials.py`."""

import msgspec


class GatewaySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The session with the venue's WebSocket order API, and the limits of the gateway itself."""

    address: str = "wss://ws-api.binance.com:443/ws-api/v3"
    credential_file: str = ""  # JSON: api_key with ed25519_private_pem or hmac_secret; "" for the environment
    receive_window_ms: int = 5_000  # the venue refuses a request that reaches it later than this
    clock_error_ms: int = 1_000  # how far the venue's clock and ours may be apart
    ack_timeout_ms: int = 1_000  # no answer for so long: the order is UNKNOWN and queried
    query_retry_ms: int = 500
    reconcile_interval_ms: int = 10_000  # an open order without a word for so long is queried
    connect_timeout_ms: int = 5_000
    reconnect_interval_ms: int = 250  # doubles up to the limit; each wait is jittered down to half
    reconnect_interval_limit_ms: int = 30_000
    heartbeat_ms: int = 5_000  # silence so long: ping; so long again: reconnect
    max_frame_bytes: int = 1 << 20
    queries_in_flight: int = 20
    orders_per_10_s: int = 100  # the venue's own limits; the gateway refuses before the venue does
    orders_per_day: int = 200_000
    request_weight_per_minute: int = 6_000
    attempts_capacity: int = 65_536  # order numbers remembered; an open order is never forgotten
    ring_watch_us: int = 50  # with a core of its own: how long the order ring alone is watched before the sockets are
    remembered_orders: int = 10_000  # finished ones, to tell a late repetition from news

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, int) and value < 1:
                raise ValueError(f"gateway.{name} must be at least 1, is {value}")
        if self.receive_window_ms > 60_000:
            raise ValueError(f"gateway.receive_window_ms must be at most 60000, is {self.receive_window_ms}")
        if self.reconnect_interval_limit_ms < self.reconnect_interval_ms:
            raise ValueError("gateway.reconnect_interval_limit_ms must be at least gateway.reconnect_interval_ms")
        if not self.address.startswith(("ws://", "wss://")):
            raise ValueError(f"gateway.address must begin with wss:// or ws://, is {self.address!r}")

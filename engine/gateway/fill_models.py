"""What a simulated venue assumes, each assumption named by the question it answers."""

import msgspec

QUEUE_MODELS = ("trades_only", "proportional")


class FillModels(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Latency, queue position and fees of the simulated venue (backtest and paper).

    Raises ValueError naming the field and the limit.
    """

    order_latency_us: int = 500
    """How long until the venue has my order?"""

    report_latency_us: int = 500
    """How long until I hear of it?"""

    queue: str = "trades_only"
    """Who leaves the queue ahead of me? `trades_only`: only those who trade, and my place never lies behind the end of
    the queue (pessimistic). `proportional`: of those who cancel, as many ahead of me as my share of the queue says."""

    maker_fee_e7: int | None = None
    """What do I pay for resting? 1e-7 of the value; None takes the instrument's own."""

    taker_fee_e7: int | None = None
    """What do I pay for taking? 1e-7 of the value; None takes the instrument's own."""

    def __post_init__(self) -> None:
        for name in ("order_latency_us", "report_latency_us"):
            if not 0 <= getattr(self, name) <= 60_000_000:
                raise ValueError(f"{name} must lie between 0 and 60000000, is {getattr(self, name)}")
        if self.queue not in QUEUE_MODELS:
            raise ValueError(f"queue must be one of {', '.join(QUEUE_MODELS)}, is {self.queue!r}")

    def sentence(self) -> str:
        """The assumptions as one line, for the head of every report."""
        fees = "the instrument's fees"
        if self.maker_fee_e7 is not None or self.taker_fee_e7 is not None:
            fees = f"fees maker {self.maker_fee_e7} taker {self.taker_fee_e7} (1e-7)"
        return (
            f"orders reach the venue after {self.order_latency_us} us, reports come back after "
            f"{self.report_latency_us} us, queue model {self.queue}, {fees}; my own orders move nobody"
        )

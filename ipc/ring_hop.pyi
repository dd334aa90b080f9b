from ipc.counters import Counters
from ipc.ring import Consumer, Producer

allocations: int  # of this thread in the last send or receive; -1 where not counted

def send(producer: Producer, count: int, interval_ns: int, strategy: int) -> float:
    """Publishes `count` single records, each when due; interval_ns 0 is as fast as there is room. Returns seconds.

    Record i carries i in price_ticks, quantity_lots, order_id and extra, so a reader can prove that it is whole.
    """

def receive(
    consumer: Consumer,
    count: int,
    strategy: int,
    counters: Counters | None = None,
    histogram: str = "",
    skip: int = 0,
) -> float:
    """Takes `count` records and returns the seconds from the first to the last.

    The latencies of all but the first `skip` go into the histogram, if one is named. Raises RuntimeError after a lap.
    """

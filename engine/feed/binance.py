"""What is known of Binance's instruments, by market and symbol, and how its names become ours.

Lots are the finest quantity seen in the venue's books, not its LOT_SIZE filter: orders that rest since the filter was
finer (BTCUSDT spot: 25.426189 while the step is 0.00001) are part of the book, and must be exact. The step that the
venue takes today is `minimum_quantity_lots`: an order's quantity must be a multiple of it.
"""

from typing import Any, NamedTuple

import numpy as np

from ipc.instruments import Contract, instrument

VENUE = "BINANCE"
CONTRACT_BY_MARKET = {"spot": Contract.SPOT, "usdm": Contract.LINEAR, "cm": Contract.INVERSE}


class Known(NamedTuple):
    """Tick, lot and step as decimal text; contract_size in USD for an inverse contract."""

    tick_size: str
    lot_size: str
    minimum_quantity_lots: int = 1
    contract_size: int = 0


KNOWN = {
    ("spot", "BTCUSDT"): Known("0.01", "0.000001", 10),
    ("spot", "ETHUSDT"): Known("0.01", "0.00001", 10),
    ("usdm", "BTCUSDT"): Known("0.1", "0.001"),
    ("usdm", "ETHUSDT"): Known("0.01", "0.001"),
    ("cm", "BTCUSD_PERP"): Known("0.1", "1", 1, 100),
}
# Venue fees of a client without rebates, in 1e-7 of the value: maker, taker.
FEES_E7 = {"spot": (10_000, 10_000), "usdm": (2_000, 5_000), "cm": (2_000, 5_000)}


class Market(NamedTuple):
    """Where a market is reached: WebSocket and REST, and the path of its depth snapshot."""

    stream_url: str
    rest_url: str
    depth_path: str


# by contract; the built-in exchange speaks the protocol of SPOT
MARKETS = {
    Contract.SPOT: Market("wss://stream.binance.com:9443", "https://api.binance.com", "/api/v3/depth"),
    Contract.LINEAR: Market("wss://fstream.binance.com", "https://fapi.binance.com", "/fapi/v1/depth"),
    Contract.INVERSE: Market("wss://dstream.binance.com", "https://dapi.binance.com", "/dapi/v1/depth"),
}


def instrument_name(market: str, symbol: str) -> str:
    """BTCUSDT.BINANCE for spot, BTCUSDT-PERP.BINANCE and BTCUSD-PERP.BINANCE for perpetual contracts."""
    if market == "spot":
        return f"{symbol}.{VENUE}"
    if "_" in symbol:  # COIN-M: BTCUSD_PERP, BTCUSD_240927
        return f"{symbol.replace('_', '-')}.{VENUE}"
    return f"{symbol}-PERP.{VENUE}"


def make_instrument(market: str, symbol: str, sizes: Known | None = None) -> np.ndarray[Any, Any]:
    """One INSTRUMENT row, shape (1,). Raises KeyError when neither `sizes` nor the table knows the symbol."""
    sizes = sizes or KNOWN[market, symbol]
    maker_fee_e7, taker_fee_e7 = FEES_E7[market]
    row = instrument(
        instrument_name(market, symbol),
        symbol,
        sizes.tick_size,
        sizes.lot_size,
        contract=CONTRACT_BY_MARKET[market],
        maker_fee_e7=maker_fee_e7,
        taker_fee_e7=taker_fee_e7,
        contract_size=sizes.contract_size,
    )
    row["minimum_quantity_lots"] = sizes.minimum_quantity_lots
    return row

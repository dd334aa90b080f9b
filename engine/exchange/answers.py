"""The bodies of the order API's answers, field by field as Binance documents them."""

from typing import Any

from engine.exchange.desk import OPEN, TYPES, Trade, VenueOrder
from engine.exchange.market import Market, atoms_text


def place_answer(order: VenueOrder, response_type: str) -> dict[str, Any]:
    short = {
        "symbol": order.market.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_id,
        "transactTime": order.time_ms,
    }
    if response_type == "ACK":
        return short
    full = {**order.fields(), **short, "workingTime": order.time_ms}
    if response_type == "FULL":
        full["fills"] = [
            {name: trade[name] for name in ("price", "qty", "commission", "commissionAsset")} | {"tradeId": trade["id"]}
            for trade in (trade_answer(order, trade) for trade in order.trades)
        ]
    return full


def status_answer(order: VenueOrder) -> dict[str, Any]:
    return {
        **order.fields(),
        "stopPrice": "0.00000000",
        "icebergQty": "0.00000000",
        "time": order.time_ms,
        "updateTime": order.update_ms,
        "isWorking": order.status in OPEN,
        "workingTime": order.time_ms,
    }


def trade_answer(order: VenueOrder, trade: Trade) -> dict[str, Any]:
    market = order.market
    return {
        "symbol": market.symbol,
        "id": trade.trade_id,
        "orderId": order.order_id,
        "orderListId": -1,
        "price": market.price_text(trade.price_ticks),
        "qty": market.quantity_text(trade.lots),
        "quoteQty": atoms_text(market.value_atoms(trade.price_ticks, trade.lots)),
        "commission": atoms_text(trade.fee_atoms),
        "commissionAsset": market.settings.quote_asset,
        "time": trade.time_ms,
        "isBuyer": order.buys,
        "isMaker": trade.maker,
        "isBestMatch": True,
    }


def symbol_info(market: Market) -> dict[str, Any]:
    settings, row = market.settings, market.row
    return {
        "symbol": settings.symbol,
        "status": "TRADING" if market.trading else "HALT",
        "baseAsset": settings.base_asset,
        "baseAssetPrecision": 8,
        "quoteAsset": settings.quote_asset,
        "quoteAssetPrecision": 8,
        "orderTypes": list(TYPES),
        "icebergAllowed": False,
        "ocoAllowed": False,
        "cancelReplaceAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": settings.tick_size,
                "maxPrice": market.price_text(int(row["maximum_price_ticks"])),
                "tickSize": settings.tick_size,
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": settings.lot_size,
                "maxQty": market.quantity_text(int(row["maximum_quantity_lots"])),
                "stepSize": settings.lot_size,
            },
            {"filterType": "NOTIONAL", "minNotional": settings.minimum_notional, "applyMinToMarket": True},
        ],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_MAKER"],
    }

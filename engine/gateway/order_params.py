"""Parameters of the order requests, as the venue names them. `order_text.pyx` writes the same bytes, faster."""

from typing import Any

from engine.gateway.order_message import OrderMessage
from engine.gateway.orders import Order
from ipc.messages import OrderType, Side, TimeInForce

ORDER_TYPE_NAMES = {int(kind): kind.name for kind in OrderType}
TIME_IN_FORCE_NAMES = {int(kind): kind.name for kind in TimeInForce}


def order_params(message: OrderMessage, order: Order) -> dict[str, Any]:
    """Of order.place."""
    symbol, order_type = order.symbol, message.order_type
    params: dict[str, Any] = {
        "symbol": symbol.name,
        "side": "BUY" if order.side == Side.BID else "SELL",
        "type": ORDER_TYPE_NAMES[order_type],
        "quantity": symbol.quantity_text(order.quantity_lots),
        "newClientOrderId": order.client_id,
        "newOrderRespType": "ACK",
    }
    if order_type != OrderType.MARKET:
        params["price"] = symbol.price_text(message.price_ticks)
    if order_type == OrderType.LIMIT:
        params["timeInForce"] = TIME_IN_FORCE_NAMES[message.time_in_force]
    return params


def cancel_params(target: Order) -> dict[str, Any]:
    """Of order.cancel."""
    return {"symbol": target.symbol.name, "origClientOrderId": target.client_id}


def replace_params(message: OrderMessage, order: Order, target: Order) -> dict[str, Any]:
    """Of order.cancelReplace."""
    params = order_params(message, order)
    params["cancelReplaceMode"] = "STOP_ON_FAILURE"
    params["cancelOrigClientOrderId"] = target.client_id
    return params

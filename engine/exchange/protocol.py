"""The WebSocket order API, `/ws-api/v3`: requests in, answers out, as Binance documents them (web-socket-api.md).

Nothing here knows of sockets: `handle` takes a decoded request and returns the answer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.exchange.accounts import Account
from engine.exchange.answers import place_answer, status_answer, symbol_info, trade_answer
from engine.exchange.credentials import Key
from engine.exchange.desk import SIDES, TIMES_IN_FORCE, TYPES, ApiError, Desk, VenueOrder, exact
from engine.exchange.limits import RateLimits
from engine.exchange.market import Market

MAXIMUM_RECV_WINDOW_MS = 60_000
DEFAULT_RECV_WINDOW_MS = 5_000
FUTURE_MS = 1_000

Params = dict[str, Any]


class Session:
    """What the exchange remembers of one connection."""

    def __init__(self) -> None:
        self.key: Key | None = None
        self.subscription: str | None = None  # account whose events this connection hears
        self.closed = False


@dataclass
class Call:
    """One request being answered."""

    session: Session
    params: Params
    now_ms: int
    key: Key | None = None  # that this request was signed with, None when the session's is used
    account: Account | None = None

    @property
    def trader(self) -> Account:
        assert self.account is not None, "only signed requests have an account"
        return self.account


def signature_payload(params: Params) -> str:
    """What is signed: all parameters but the signature, sorted by name."""
    return "&".join(f"{name}={_text(params[name])}" for name in sorted(params) if name != "signature")


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


class OrderApi:
    def __init__(
        self,
        markets: dict[str, Market],
        desk: Desk,
        accounts: dict[str, Account],
        keys: dict[str, Key],
        limits: RateLimits,
    ) -> None:
        self.markets, self.desk, self.accounts, self.keys, self.limits = markets, desk, accounts, keys, limits
        # method -> (handler, needs a signature, weight)
        self._methods: dict[str, tuple[Callable[[Call], Any], bool, int]] = {
            "ping": (lambda call: {}, False, 1),
            "time": (lambda call: {"serverTime": call.now_ms}, False, 1),
            "exchangeInfo": (lambda call: self.exchange_info(call.now_ms), False, 20),
            "session.logon": (self._logon, True, 2),
            "session.status": (self._session_status, False, 2),
            "session.logout": (self._logout, False, 2),
            "userDataStream.subscribe": (self._subscribe, False, 2),
            "userDataStream.subscribe.signature": (self._subscribe_signed, True, 2),
            "userDataStream.unsubscribe": (self._unsubscribe, False, 2),
            "order.place": (self._place, True, 1),
            "order.cancel": (self._cancel, True, 1),
            "order.cancelReplace": (self._cancel_replace, True, 1),
            "order.status": (self._status, True, 4),
            "openOrders.status": (self._open_orders, True, 6),
            "openOrders.cancelAll": (self._cancel_all, True, 1),
            "account.status": (self._account, True, 20),
            "myTrades": (self._trades, True, 20),
        }

    # -- QUERIES --

    def exchange_info(self, now_ms: int) -> dict[str, Any]:
        return {
            "timezone": "UTC",
            "serverTime": now_ms,
            "rateLimits": self.limits.describe(),
            "exchangeFilters": [],
            "symbols": [symbol_info(market) for market in self.markets.values()],
        }

    # -- COMMANDS --

    def handle(self, session: Session, request: dict[str, Any], now_ms: int) -> dict[str, Any]:
        """The answer to one request."""
        method, params = request.get("method"), request.get("params") or {}
        answer: dict[str, Any] = {"id": request.get("id")}
        places = method in ("order.place", "order.cancelReplace")
        try:
            answer["result"] = self._call(session, str(method), params, places, now_ms)
            answer["status"] = 200
        except ApiError as error:
            answer["status"] = error.status
            answer["error"] = {"code": error.code, "msg": error.text}
            if error.data is not None:
                answer["error"]["data"] = error.data
        except (TypeError, ValueError, OverflowError):  # a parameter of a kind that nobody expects
            answer["status"] = 400
            answer["error"] = {"code": -1100, "msg": "Illegal characters found in a parameter."}
        if params.get("returnRateLimits", True):
            answer["rateLimits"] = self.limits.status(now_ms, places)
        return answer

    def _call(self, session: Session, method: str, params: Params, places: bool, now_ms: int) -> Any:
        known = self._methods.get(method.removeprefix("v3/"))
        if known is None:
            raise ApiError(-1000, f"Method '{method}' is not supported.")
        handler, signed, weight = known
        call = Call(session, params, now_ms)
        over = self.limits.exceeded("REQUEST_WEIGHT", now_ms)
        if over is not None:
            text = f"Too much request weight used; {over[0]}. Please use WebSocket Streams for live updates."
            raise ApiError(-1003, text, 429, {"serverTime": now_ms, "retryAfter": over[1]})
        self.limits.add("REQUEST_WEIGHT", weight, now_ms)
        if signed:
            self._authorise(call)
        if places:
            over = self.limits.exceeded("ORDERS", now_ms)
            if over is not None:
                raise ApiError(
                    -1015, f"Too many new orders; {over[0]}.", 429, {"serverTime": now_ms, "retryAfter": over[1]}
                )
            self.limits.add("ORDERS", 1, now_ms)
        return handler(call)

    def _authorise(self, call: Call) -> None:
        """Finds the account of a signed request: by its own key and signature, or by the session's."""
        params, now_ms, key = call.params, call.now_ms, call.session.key
        if "apiKey" in params or key is None:
            api_key, signature = params.get("apiKey"), params.get("signature")
            for name, value in (("apiKey", api_key), ("signature", signature)):
                if not isinstance(value, str) or not value:
                    raise ApiError(
                        -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.", 400
                    )
            key = self.keys.get(str(api_key))
            if key is None:
                raise ApiError(-2015, "Invalid API-key, IP, or permissions for action.", 401)
            if not key.verify(signature_payload(params), str(signature)):
                raise ApiError(-1022, "Signature for this request is not valid.")
            call.key = key
        timestamp = params.get("timestamp")
        if not isinstance(timestamp, int):
            raise ApiError(-1102, "Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed.")
        if timestamp > 10**14:  # microseconds are allowed too
            timestamp //= 1_000
        window = params.get("recvWindow", DEFAULT_RECV_WINDOW_MS)
        if not isinstance(window, int | float) or window > MAXIMUM_RECV_WINDOW_MS:
            raise ApiError(-1131, "recvWindow must be less than 60000.")
        if timestamp >= now_ms + FUTURE_MS:
            raise ApiError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
        if now_ms - timestamp > window:
            raise ApiError(-1021, "Timestamp for this request is outside of the recvWindow.")
        call.account = self.accounts[key.account]

    # -- session --

    def _logon(self, call: Call) -> dict[str, Any]:
        key = call.key
        if key is None or key.public_key is None:
            raise ApiError(-1000, "Only Ed25519 keys are supported for session authentication.")
        call.session.key = key
        return self._session_status(call)

    def _session_status(self, call: Call) -> dict[str, Any]:
        return {
            "apiKey": call.session.key.api_key if call.session.key else None,
            "authorizedSince": call.now_ms if call.session.key else None,
            "connectedSince": call.now_ms,
            "returnRateLimits": True,
            "serverTime": call.now_ms,
            "userDataStream": call.session.subscription is not None,
        }

    def _logout(self, call: Call) -> dict[str, Any]:
        call.session.key, call.session.subscription = None, None
        return self._session_status(call)

    def _subscribe(self, call: Call) -> dict[str, Any]:
        if call.session.key is None:
            raise ApiError(-2015, "Invalid API-key, IP, or permissions for action.", 401)
        call.session.subscription = call.session.key.account
        return {"subscriptionId": 0}

    def _subscribe_signed(self, call: Call) -> dict[str, Any]:
        call.session.subscription = call.trader.name
        return {"subscriptionId": 0}

    def _unsubscribe(self, call: Call) -> dict[str, Any]:
        call.session.subscription = None
        return {}

    # -- orders --

    def _market(self, call: Call) -> Market:
        market = self.markets.get(str(call.params.get("symbol")))
        if market is None:
            raise ApiError(-1121, "Invalid symbol.")
        return market

    def _order(self, call: Call) -> VenueOrder:
        """A new order from its parameters. Raises ApiError."""
        market = self._market(call)
        side, order_type = call.params.get("side"), call.params.get("type")
        if side not in SIDES:
            raise ApiError(-1117, "Invalid side.")
        if order_type not in TYPES:
            raise ApiError(-1116, "Invalid orderType.")
        time_in_force = call.params.get("timeInForce", "GTC" if order_type != "LIMIT" else None)
        if order_type == "LIMIT" and time_in_force is None:
            raise ApiError(-1102, "Mandatory parameter 'timeInForce' was not sent, was empty/null, or malformed.")
        if time_in_force not in TIMES_IN_FORCE:
            raise ApiError(-1115, "Invalid timeInForce.")
        if order_type != "LIMIT" and "timeInForce" in call.params:
            raise ApiError(-1106, "Parameter 'timeInForce' sent when not required.")
        price = 0 if order_type == "MARKET" else exact(market.price_ticks, call.params.get("price"), "PRICE_FILTER")
        return VenueOrder(
            account=call.trader,
            market=market,
            client_id=str(call.params.get("newClientOrderId", "")),
            side=side,
            order_type=order_type,
            time_in_force=time_in_force,
            price_ticks=price,
            lots=exact(market.quantity_lots, call.params.get("quantity"), "LOT_SIZE"),
            time_ms=call.now_ms,
        )

    def _find(self, call: Call, order_id: str = "orderId", client_id: str = "origClientOrderId") -> VenueOrder | None:
        if call.params.get(order_id) is None and call.params.get(client_id) is None:
            raise ApiError(-1102, f"Param '{client_id}' or '{order_id}' must be sent, but both were empty/null!")
        return self.desk.find(call.trader, self._market(call), call.params.get(order_id), call.params.get(client_id))

    def _place(self, call: Call) -> dict[str, Any]:
        order = self._order(call)
        self.desk.place(order)
        default = "ACK" if order.order_type == "LIMIT_MAKER" else "FULL"
        return place_answer(order, str(call.params.get("newOrderRespType", default)))

    def _cancel(self, call: Call) -> dict[str, Any]:
        return self.desk.cancel(self._find(call), str(call.params.get("newClientOrderId", "")), call.now_ms)

    def _cancel_replace(self, call: Call) -> dict[str, Any]:
        new = self._order(call)
        old = self._find(call, "cancelOrderId", "cancelOrigClientOrderId")
        mode = call.params.get("cancelReplaceMode")
        if mode not in ("STOP_ON_FAILURE", "ALLOW_FAILURE"):
            raise ApiError(-1102, "Mandatory parameter 'cancelReplaceMode' was not sent, was empty/null, or malformed.")
        data: dict[str, Any] = {"newOrderResult": "NOT_ATTEMPTED", "newOrderResponse": None}
        try:
            data["cancelResponse"] = self.desk.cancel(
                old, str(call.params.get("cancelNewClientOrderId", "")), call.now_ms
            )
            data["cancelResult"] = "SUCCESS"
        except ApiError as error:
            data["cancelResponse"] = {"code": error.code, "msg": error.text}
            data["cancelResult"] = "FAILURE"
            if mode == "STOP_ON_FAILURE":
                raise ApiError(-2022, "Order cancel-replace failed.", 400, data) from None
        try:
            self.desk.place(new)
            data["newOrderResponse"] = place_answer(new, str(call.params.get("newOrderRespType", "FULL")))
            data["newOrderResult"] = "SUCCESS"
        except ApiError as error:
            data["newOrderResponse"] = {"code": error.code, "msg": error.text}
            data["newOrderResult"] = "FAILURE"
        results = {data["cancelResult"], data["newOrderResult"]}
        if results == {"SUCCESS"}:
            return data
        if results == {"FAILURE"}:
            raise ApiError(-2022, "Order cancel-replace failed.", 400, data)
        raise ApiError(-2021, "Order cancel-replace partially failed.", 409, data)

    def _status(self, call: Call) -> dict[str, Any]:
        order = self._find(call)
        if order is None:
            raise ApiError(-2013, "Order does not exist.")
        return status_answer(order)

    def _open_orders(self, call: Call) -> list[dict[str, Any]]:
        market = self._market(call) if "symbol" in call.params else None
        return [status_answer(order) for order in self.desk.open_orders(call.trader, market)]

    def _cancel_all(self, call: Call) -> list[dict[str, Any]]:
        orders = self.desk.open_orders(call.trader, self._market(call))
        if not orders:
            raise ApiError(-2011, "Unknown order sent.")
        return [self.desk.cancel(order, "", call.now_ms) for order in orders]

    def _account(self, call: Call) -> dict[str, Any]:
        account = call.trader
        return {"canTrade": True, "accountType": "SPOT", "updateTime": call.now_ms, "balances": account.balances()}

    def _trades(self, call: Call) -> list[dict[str, Any]]:
        order_id, first = call.params.get("orderId"), call.params.get("fromId", 0)
        limit = min(int(call.params.get("limit", 500)), 1_000)
        found = [
            trade_answer(order, trade)
            for order, trade in self.desk.trades(call.trader, self._market(call), order_id)
            if trade.trade_id >= first
        ]
        return found[:limit] if first or order_id is not None else found[-limit:]

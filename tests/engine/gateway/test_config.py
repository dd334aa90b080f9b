"""Impossible settings name the key and the limit."""

import msgspec
import pytest

from engine.exchange.config import ExchangeSettings, Fault
from engine.gateway.config import GatewaySettings


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"receive_window_ms": 60_001}, "gateway.receive_window_ms must be at most 60000"),
        ({"ack_timeout_ms": 0}, "gateway.ack_timeout_ms must be at least 1"),
        ({"reconnect_interval_ms": 100, "reconnect_interval_limit_ms": 50}, "reconnect_interval_limit_ms"),
        ({"address": "https://venue"}, "gateway.address must begin with wss://"),
    ],
)
def test_impossible_gateway_setting_is_named(values: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GatewaySettings(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(("point", "action"), [("nowhere", "drop"), ("market", "explode")])
def test_unknown_fault_is_named(point: str, action: str) -> None:
    with pytest.raises(ValueError, match="fault"):
        Fault(point=point, action=action)


def test_settings_travel_as_json_to_a_process() -> None:
    settings = ExchangeSettings(port=5, ledger_file="ledger", faults=(Fault(point="market", action="drop"),))
    assert msgspec.json.decode(msgspec.json.encode(settings), type=ExchangeSettings) == settings

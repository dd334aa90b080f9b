"""The venue's limits as the gateway counts them."""

from engine.gateway.config import GatewaySettings
from engine.gateway.rate_limit import RateLimits

START_MS = 1_790_000_000_000  # a whole ten seconds and a whole minute and more


def limits() -> RateLimits:
    return RateLimits(GatewaySettings(orders_per_10_s=2, request_weight_per_minute=100))


def test_count_begins_anew_with_the_interval_of_the_clock() -> None:
    counted = limits()
    counted.add(START_MS, 1, 1)
    counted.add(START_MS + 9_998, 1, 1)
    assert not counted.may_order(START_MS + 9_999)
    assert counted.may_order(START_MS + 10_000)


def test_larger_count_of_the_venue_holds_and_a_smaller_one_does_not() -> None:
    counted = limits()
    entry = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 100}
    now_ms = START_MS + 20_000
    counted.learn(now_ms, [{**entry, "count": 99}])
    assert counted.may_request(now_ms, 1)
    assert not counted.may_request(now_ms, 2)
    counted.learn(now_ms, [{**entry, "count": 5}])
    assert not counted.may_request(now_ms, 2)


def test_blocked_session_neither_orders_nor_asks_until_the_time_the_venue_said() -> None:
    counted = limits()
    counted.blocked_until_ms = START_MS + 500
    assert not counted.may_order(START_MS + 499)
    assert counted.may_order(START_MS + 500)


def test_interval_is_that_of_the_venue_s_clock_wherever_ours_stands() -> None:
    counted = limits()
    counted.offset_ms = 4_000
    counted.add(START_MS, 1, 2)
    assert not counted.may_order(START_MS + 5_999)
    assert counted.may_order(START_MS + 6_000)
    assert (counted.weight_used(START_MS + 35_999), counted.weight_used(START_MS + 36_000)) == (1, 0)

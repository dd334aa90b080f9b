"""The notes that `bench loopback` is measured with: nothing unless asked for, and only what can be joined."""

from engine.exchange.sends import REMEMBERED, SendRecord


def test_frames_are_noted_by_update_id_and_orders_by_client_id() -> None:
    sends = SendRecord(on=True)
    sends.frame_sent('{"stream":"x@depth@0ms","data":{"e":"depthUpdate","U":7,"u":9,"b":[],"a":[]}}', 100)
    sends.frame_sent('{"stream":"x@trade","data":{"e":"trade","t":5}}', 110)
    sends.order_received({"method": "order.place", "params": {"newClientOrderId": "r-1"}}, 120)
    sends.order_received({"method": "order.cancel", "params": {"origClientOrderId": "r-1"}}, 130)
    sends.order_received({"method": "ping"}, 140)
    assert sends.summary() == {"frames": [(9, 100)], "orders": [("r-1", 120)]}


def test_notes_are_bounded_and_the_oldest_go_first() -> None:
    sends = SendRecord(on=True)
    for number in range(REMEMBERED + 3):
        sends.frame_sent(f'{{"u":{number}}}', number)
    frames = sends.summary()["frames"]
    assert len(frames) == REMEMBERED
    assert frames[0] == (3, 3)

"""When each depth frame left and each order came in: what `bench loopback` measures wire to wire with."""

import re
from collections import deque
from typing import Any

REMEMBERED = 200_000  # frames and orders; the oldest are forgotten

UPDATE_ID = re.compile(r'"u":(\d+)')


class SendRecord:
    """Bounded notes of the wall clock, ns UTC. Nothing is noted unless the setting `record_sends` is on."""

    def __init__(self, on: bool) -> None:
        self.on = on
        self._frames: deque[tuple[int, int]] = deque(maxlen=REMEMBERED)
        self._orders: deque[tuple[str, int]] = deque(maxlen=REMEMBERED)

    # -- QUERIES --

    def summary(self) -> dict[str, Any]:
        """{"frames": [[update id, ns], ...], "orders": [[client id, ns], ...]}, oldest first."""
        return {"frames": list(self._frames), "orders": list(self._orders)}

    # -- COMMANDS --

    def frame_sent(self, text: str, sent_ns: int) -> None:
        """After a frame was sent; `sent_ns` was read before. Only what bears an update id is noted."""
        found = UPDATE_ID.search(text)
        if found is not None:
            self._frames.append((int(found.group(1)), sent_ns))

    def order_received(self, request: dict[str, Any], received_ns: int) -> None:
        """A decoded request; only what bears a new client id is noted."""
        client_id = (request.get("params") or {}).get("newClientOrderId")
        if isinstance(client_id, str):
            self._orders.append((client_id, received_ns))

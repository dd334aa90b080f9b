"""systemd's notify protocol: one datagram to the socket it names (sd_notify(3)); silence when there is none."""

import os
import socket


def notify(state: str) -> None:
    """READY=1, STOPPING=1, WATCHDOG=1 or STATUS=text. Never fails: the service manager may be absent."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notifier:
        try:
            notifier.connect("\0" + address[1:] if address.startswith("@") else address)
            notifier.sendall(state.encode())
        except OSError:
            return

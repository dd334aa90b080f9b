"""What becomes of a run's processes when their supervisor is killed: they end by themselves, in the order of a stop.

Without it an engine would trade on with nobody to halt it. Feed and core end at once, the core cancelling its orders;
the gateway stays long enough to send the cancels, the journal to record what came of them. The next run waits for them.
"""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

from engine.errors import Exit

POLL_INTERVAL_S = 0.5
GRACE_S = {"gateway": 4.0, "journal": 5.0, "exchange": 5.0}  # after the supervisor's death; all others at once
END_TIMEOUT_S = 15.0
ENVIRONMENT = "BOT4_SUPERVISOR_PID"


def end_with_parent(name: str) -> None:
    """Watches, on a thread of its own, that this process is not adopted by another; then it ends as if by SIGTERM.

    The supervisor says who it is: one that was killed while this process was being started could not be told from
    whoever adopts it, and nobody may have noted this pid. Then it ends here, having done nothing.
    """
    parent = int(os.environ.get(ENVIRONMENT, "0")) or os.getppid()
    if os.getppid() != parent:
        print(f"{name}: the supervisor (pid {parent}) died before this process began", file=sys.stderr)
        sys.exit(int(Exit.FAILED))
    threading.Thread(target=_watch, args=(parent, GRACE_S.get(name, 0.0)), name="orphan", daemon=True).start()


def _watch(parent: int, grace_s: float) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_INTERVAL_S)
    time.sleep(grace_s)
    os.kill(os.getpid(), signal.SIGTERM)


def started_ticks(pid: int) -> int | None:
    """When a process started, in ticks since boot: with its pid its identity on this host. None when it is gone."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if state in ("Z", "X") else int(fields[18])


def end_orphans(note: Path, timeout_s: float = END_TIMEOUT_S) -> list[str]:
    """Waits until the processes that a dead supervisor noted have ended; kills what does not. Returns those killed."""
    try:
        noted = json.loads(note.read_text())["processes"]
    except (OSError, ValueError, KeyError):
        return []

    def living() -> list[dict[str, object]]:
        return [row for row in noted if started_ticks(int(row["pid"])) == row["started_ticks"] is not None]

    deadline = time.monotonic() + timeout_s
    while living() and time.monotonic() < deadline:
        time.sleep(0.05)
    killed = []
    for row in living():
        os.kill(int(str(row["pid"])), signal.SIGKILL)
        killed.append(str(row["name"]))
    while living():
        time.sleep(0.01)
    return killed

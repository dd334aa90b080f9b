"""Starts one process of a run: `python -m engine.child NAME SETTINGS.json`. Its standard error is the run's log."""

import faulthandler
import importlib
import os
import sys
from pathlib import Path
from typing import Any

import msgspec

from engine.errors import Exit, UserError
from engine.orphans import end_with_parent

# name -> (module, settings struct): each module offers main(settings), which runs until SIGTERM
PROCESSES = {
    "exchange": ("engine.exchange.process", "ExchangeSettings"),
    "journal": ("engine.journal.process", "JournalProcessSettings"),
    "gateway": ("engine.gateway.process", "GatewayProcessSettings"),
    "core": ("engine.core_process", "CoreProcessSettings"),
    "feed": ("engine.feed.process", "FeedProcessSettings"),
    "inference": ("engine.inference_process", "InferenceProcessSettings"),
    "risk": ("engine.risk_process", "RiskProcessSettings"),
    "follower": ("engine.replay.follower", "FollowerSettings"),
}


def start(name: str, settings_path: Path) -> int:
    """Runs the process to its end and returns its exit code."""
    module_name, struct = PROCESSES[name]
    module: Any = importlib.import_module(module_name)
    settings = msgspec.json.decode(settings_path.read_bytes(), type=getattr(module, struct))
    try:
        module.main(settings)
    except UserError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return int(error.exit_code)
    except Exception as error:
        if type(error).__module__.startswith("ipc."):  # SegmentError, BusError: one line each
            print(f"{name}: {error}", file=sys.stderr)
            return int(Exit.FAILED)
        raise
    return int(Exit.DONE)


def main() -> None:
    """The entry point; leaves without waiting for daemon threads that hold no state."""
    faulthandler.enable()
    end_with_parent(sys.argv[1])
    code = start(sys.argv[1], Path(sys.argv[2]))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()

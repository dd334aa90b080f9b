"""Begins to read a live segment and never ends: `... holder_child PATH`. Prints "holding" once it does."""

import sys
import time
from pathlib import Path

from engine.journal.segment import SegmentReader

if __name__ == "__main__":
    reader = SegmentReader(Path(sys.argv[1]), live=True)
    transaction = reader._environment.begin()
    print("holding", flush=True)
    time.sleep(60)

"""Reads a journal while it is written, until it has END records: `... follower_child RUN END`. Prints their SHA-256."""

import hashlib
import sys
import time
from pathlib import Path

from engine.journal.reader import Journal


def follow(run: Path, end: int) -> str:
    digest = hashlib.sha256()
    position = 0
    while position < end:
        for records in Journal.open(run, verify=False, live=True).records(position):
            digest.update(records.tobytes())
            position += len(records)
        time.sleep(0.002)
    return digest.hexdigest()


if __name__ == "__main__":
    print(follow(Path(sys.argv[1]), int(sys.argv[2])))

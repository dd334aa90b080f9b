"""Writes blocks of 1 MiB to the segment named in argv: at each line of standard input, until there are so many."""

import sys
from pathlib import Path

from engine.journal.segment import SegmentWriter

BLOCK_BYTES = 1 << 20

if __name__ == "__main__":
    writer = SegmentWriter(Path(sys.argv[1]), 64 * BLOCK_BYTES)
    written = 0
    for line in sys.stdin:
        for position in range(written, int(line)):
            writer.append(position, memoryview(bytes(BLOCK_BYTES)))
        written = int(line)
        print(written, flush=True)
    writer.close()

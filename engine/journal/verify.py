"""Verification of one segment in a child process: LMDB reads mapped memory, and a damaged page can kill its reader.

`python -m engine.journal.verify` reads one JSON request from stdin and prints one JSON `Verdict`; `verify_segment` runs
it, and takes death by a signal, or silence beyond the time-out, for what it is: a damaged file.
"""

import mmap
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import lmdb
import msgspec

from engine.errors import IntegrityError
from engine.journal.block import decode
from engine.journal.segment import SegmentReader

TIMEOUT_S = 300.0
_REACHED = struct.Struct("<q")
PROJECT = Path(__file__).resolve().parents[2]


class Request(msgspec.Struct, kw_only=True):
    path: str
    segment: int
    first_block: int
    first_position: int
    previous_chain: str  # hexadecimal


class Verdict(msgspec.Struct, kw_only=True):
    """`error` is None when every block is as it was written; the rest describes the end of the segment."""

    error: str | None = None
    blocks: int = 0
    end_position: int = 0
    chain: str = ""
    previous_sha256: str | None = None


def verify_segment(request: Request, timeout_s: float = TIMEOUT_S) -> Verdict:
    """Verifies a segment that nobody is writing, in a child process. Raises IntegrityError naming the place."""
    place = f"journal segment {request.segment}"
    reached = os.memfd_create("journal-verify")  # survives the child: the number of the block it was reading
    os.truncate(reached, _REACHED.size)
    try:
        child = subprocess.run(
            [sys.executable, "-m", "engine.journal.verify", str(reached)],
            input=msgspec.json.encode(request),
            capture_output=True,
            timeout=timeout_s,
            check=False,
            cwd=PROJECT,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            pass_fds=(reached,),
        )
        block = request.first_block + _REACHED.unpack(os.pread(reached, _REACHED.size, 0))[0]
    except subprocess.TimeoutExpired:
        raise IntegrityError(f"{place}: not read within {timeout_s:.0f} s; restore it from a copy") from None
    finally:
        os.close(reached)
    if child.returncode < 0:
        name = signal.Signals(-child.returncode).name
        raise IntegrityError(
            f"{place}, block {block}: its page structure is damaged ({name} while reading); restore it from a copy"
        )
    if child.returncode != 0:
        reason = child.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no word"]
        raise IntegrityError(f"{place}: could not be verified: {reason[0]}")
    verdict = msgspec.json.decode(child.stdout, type=Verdict)
    if verdict.error is not None:
        raise IntegrityError(verdict.error)
    return verdict


def examine(request: Request, reached: Callable[[int], None]) -> Verdict:
    """The work itself, in this process; `reached` is told how many blocks were right before each next one."""
    verdict = Verdict(end_position=request.first_position, chain=request.previous_chain)
    place = f"journal segment {request.segment}"
    try:
        with closing(SegmentReader(Path(request.path), live=False)) as reader:
            _examine_blocks(reader, request, verdict, reached)
    except IntegrityError as error:
        verdict.error = str(error)
    except (lmdb.Error, msgspec.DecodeError, UnicodeDecodeError) as error:
        block = request.first_block + verdict.blocks
        verdict.error = f"{place}, block {block}: its page structure is damaged ({error}); restore it from a copy"
    return verdict


def _examine_blocks(reader: SegmentReader, request: Request, verdict: Verdict, reached: Callable[[int], None]) -> None:
    previous = reader.previous()
    verdict.previous_sha256 = previous.sha256 if previous else None
    for position, value in reader.values(0):
        block = request.first_block + verdict.blocks
        place = f"journal segment {request.segment}, block {block}"
        if position != verdict.end_position:
            raise IntegrityError(f"{place}: lies at position {position}, expected {verdict.end_position}")
        decoded = decode(value, request.segment, block, bytes.fromhex(verdict.chain))
        if decoded.first_position != position:
            raise IntegrityError(f"{place}, header: says position {decoded.first_position}, not {position}")
        verdict.blocks += 1
        reached(verdict.blocks)
        verdict.end_position = decoded.end_position
        verdict.chain = decoded.chain.hex()


if __name__ == "__main__":
    words = mmap.mmap(int(sys.argv[1]), _REACHED.size)
    verdict = examine(
        msgspec.json.decode(sys.stdin.buffer.read(), type=Request), lambda blocks: _REACHED.pack_into(words, 0, blocks)
    )
    sys.stdout.buffer.write(msgspec.json.encode(verdict))

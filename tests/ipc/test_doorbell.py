"""The doorbell wakes who sleeps, costs nothing while nobody does, and outlives its sleeper."""

import threading
from pathlib import Path

import pytest

from ipc.doorbell import BellRope, Doorbell


def test_sleeper_is_woken_long_before_its_time_out(memory: Path) -> None:
    bell = Doorbell(memory / "bell")
    rope = BellRope(memory / "bell")
    rang: list[bool] = []
    sleeper = threading.Thread(target=lambda: rang.append(bell.wait(3600)), daemon=True)
    sleeper.start()
    while sleeper.is_alive():
        rope.ring()  # heard once it sleeps, and only then
        sleeper.join(0.001)
    assert rang == [True]


def test_rung_while_nobody_sleeps_it_is_silent(memory: Path) -> None:
    bell = Doorbell(memory / "bell")
    BellRope(memory / "bell").ring()
    assert not bell.wait(0.0)


def test_what_rang_once_does_not_ring_again(memory: Path) -> None:
    bell = Doorbell(memory / "bell")
    rope = BellRope(memory / "bell")
    sleeper = threading.Thread(target=bell.wait, args=(3600,), daemon=True)
    sleeper.start()
    while sleeper.is_alive():
        rope.ring()
        sleeper.join(0.001)
    assert not bell.wait(0.0)


def test_rope_of_the_one_before_rings_the_bell_of_the_next(memory: Path) -> None:
    first = Doorbell(memory / "bell")
    rope = BellRope(memory / "bell")
    first.close()
    second = Doorbell(memory / "bell")
    rang: list[bool] = []
    sleeper = threading.Thread(target=lambda: rang.append(second.wait(3600)), daemon=True)
    sleeper.start()
    while sleeper.is_alive():
        rope.ring()
        sleeper.join(0.001)
    assert rang == [True]


def test_no_bell_no_rope(memory: Path) -> None:
    with pytest.raises(OSError, match="bell"):
        BellRope(memory / "bell")


def test_bell_that_is_only_half_made_is_no_bell_yet(memory: Path) -> None:
    (memory / "bell").touch()
    with pytest.raises(OSError, match="bell"):
        BellRope(memory / "bell")
    Doorbell(memory / "bell")
    BellRope(memory / "bell").ring()

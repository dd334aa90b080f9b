"""`bot4 doctor`: looks at this machine and says what is missing or slow, each with its mend."""

import os
import platform
import resource
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.errors import Exit
from engine.verbs.output import config_option, emit, json_option, progress

if TYPE_CHECKING:
    from engine.config import Config

OK, WARN, FAIL = "ok", "warn", "fail"
HICCUP_S = 2.0
HICCUP_LIMIT_NS = 1_000_000  # p99 of an idle machine that is fit for trading lies well below
DEFAULT_TIMER_SLACK_NS = 50_000
FILES_LEAST = 1_024
CPU_FLAGS = ("avx2", "fma", "bmi2")  # of x86-64-v3, which the extensions are compiled for
LIBRARIES = ("numpy", "numba", "pyzmq", "lmdb", "picows", "aiohttp", "msgspec", "click", "rich", "plotly")
MIB = 1 << 20

Finding = dict[str, str]


def finding(name: str, state: str, seen: str, mend: str = "") -> Finding:
    return {"name": name, "state": state, "seen": seen, "mend": mend if state != OK else ""}


@click.command()
@click.option("--quick", is_flag=True, help="Leave the two seconds out that the hiccup figure takes.")
@config_option
@json_option
def doctor(quick: bool, config_path: str | None, as_json: bool) -> int:
    """Look at this machine and say what is missing or slow."""
    from engine.config import load

    config = load(Path(config_path) if config_path else None)
    if not quick:
        progress(f"measuring hiccups for {HICCUP_S:.0f} s", as_json)
    findings = list(examine(config, quick=quick))
    failed = any(row["state"] == FAIL for row in findings)
    emit({"fit": not failed, "findings": findings}, as_json, lambda: doctor_text(findings))
    return int(Exit.FAILED if failed else Exit.DONE)


def doctor_text(findings: list[Finding]) -> str:
    width = max(len(row["name"]) for row in findings)
    lines = []
    for row in findings:
        lines.append(f"{row['state']:<4}  {row['name']:<{width}}  {row['seen']}")
        if row["mend"]:
            lines.append(f"{'':<4}  {'':<{width}}  -> {row['mend']}")
    counts = {state: sum(row["state"] == state for row in findings) for state in (OK, WARN, FAIL)}
    lines.append(f"{counts[OK]} ok, {counts[WARN]} warnings, {counts[FAIL]} failures")
    return "\n".join(lines)


def examine(config: "Config", *, quick: bool) -> Iterator[Finding]:
    """Every finding; a check that itself breaks is a finding, too."""
    checks: list[Callable[[], Finding]] = [
        imports, python_version, libraries, onnxruntime, extensions, cores, waiting, cpu_flags, clock_source,
        timer_slack, lambda: shared_memory(config), lambda: run_directory(config), open_files, locked_memory, gpu,
        systemd,
    ]  # fmt: skip
    if not quick:
        checks.append(hiccups)
    for check in checks:
        try:
            yield check()
        except Exception as error:
            yield finding(getattr(check, "__name__", "check"), WARN, f"could not be looked at: {error}", "see above")


# -- the programme ---------------------------------------------------------------------------------------------------


def imports() -> Finding:
    from engine.cli import PROJECT, foreign_package

    foreign = foreign_package()
    return finding("packages", FAIL if foreign else OK, foreign or f"from {PROJECT}", "start bot4 from its own folder")


def python_version() -> Finding:
    fits = (3, 11) <= sys.version_info[:2] < (3, 13)
    return finding("python", OK if fits else FAIL, platform.python_version(), "use Python 3.11 or 3.12")


def libraries() -> Finding:
    from importlib.metadata import PackageNotFoundError, version

    found, missing = [], []
    for name in LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    seen = ", ".join(found) + (f"; missing: {', '.join(missing)}" if missing else "")
    return finding("libraries", FAIL if missing else OK, seen, "make build")


def onnxruntime() -> Finding:
    """The two share a folder: with both installed, which one runs is chance."""
    from importlib.metadata import distributions

    names = {str(found.metadata["Name"]).lower() for found in distributions()}
    installed = sorted(names & {"onnxruntime", "onnxruntime-gpu"})
    state = FAIL if len(installed) == 2 else OK
    seen = " and ".join(installed) or "not installed (only inference in a process of its own needs it)"
    return finding("onnxruntime", state, seen, "uninstall both, then install one: they share a folder")


def extensions() -> Finding:
    from engine.cli import PACKAGES, PROJECT

    missing, old = [], []
    for package in PACKAGES:
        for source in (PROJECT / package).rglob("*.pyx"):
            built = list(source.parent.glob(f"{source.stem}.*.so"))
            name = str(source.relative_to(PROJECT))
            if not built:
                missing.append(name)
            elif built[0].stat().st_mtime < source.stat().st_mtime:
                old.append(name)
    if missing:
        return finding("extensions", FAIL, f"not built: {', '.join(missing)}", "make build")
    return finding(
        "extensions",
        WARN if old else OK,
        f"older than their source: {', '.join(old)}" if old else "built",
        "make build",
    )


# -- the machine -----------------------------------------------------------------------------------------------------


def cores() -> Finding:
    allowed = sorted(os.sched_getaffinity(0))
    seen = f"{len(allowed)} of {os.cpu_count()} may be used: {ranges(allowed)}"
    state = FAIL if not allowed else WARN if len(allowed) == 1 else OK
    return finding("cores", state, seen, "latencies will be poor: core, gateway, feed and journal share one core")


def waiting() -> Finding:
    from engine.run import SPINNERS
    from ipc import waiting as strategy

    chosen = strategy.choose(SPINNERS)
    needed = SPINNERS + 2
    return finding(
        "waiting",
        OK if chosen == strategy.SPIN else WARN,
        f"core and gateway {strategy.NAMES[chosen]}",
        f"they spin with {needed} cores or more; yielding costs tens of microseconds a hop",
    )


def ranges(numbers: list[int]) -> str:
    """0-3,8: as taskset writes it."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)


def cpu_flags() -> Finding:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    flags = next((line.split(":")[1].split() for line in lines if line.startswith("flags")), [])
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    missing = [flag for flag in CPU_FLAGS if flag not in flags]
    return finding(
        "cpu",
        FAIL if missing else OK,
        model + (f" without {', '.join(missing)}" if missing else ""),
        "the extensions are compiled for x86-64-v3 (Haswell or newer): choose another machine",
    )


def clock_source() -> Finding:
    path = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
    source = path.read_text().strip() if path.exists() else "unknown"
    best = min(clock_read_ns() for _ in range(5))
    fast = source in ("tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter") or best < 200
    return finding(
        "clock",
        OK if fast else WARN,
        f"{source}, a reading from Python takes {best:.0f} ns",
        "echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource: others need a system call",
    )


def clock_read_ns() -> float:
    rounds = 10_000
    started = time.perf_counter_ns()
    for _ in range(rounds):
        time.monotonic_ns()
    return (time.perf_counter_ns() - started) / rounds


def timer_slack() -> Finding:
    slack = int(Path("/proc/self/timerslack_ns").read_text())
    return finding(
        "timer slack",
        OK if slack <= DEFAULT_TIMER_SLACK_NS else WARN,
        f"{slack:,} ns; Bot4's loops set their own to 1 ns",
        "sleeping processes wake up later than usual: look at who started this one",
    )


def hiccups() -> Finding:
    from engine.telemetry.hiccup import Hiccup

    hiccup = Hiccup()
    hiccup.start()
    time.sleep(HICCUP_S)
    hiccup.stop()
    late = hiccup.summary()
    return finding(
        "hiccups",
        OK if late["p99_ns"] < HICCUP_LIMIT_NS else WARN,
        f"a 1 ms sleep ends late by p50 {late['p50_ns'] / 1e3:,.0f} us, p99 {late['p99_ns'] / 1e3:,.0f} us, "
        f"max {late['max_ns'] / 1e6:,.1f} ms",
        "others use this machine, or it is virtual: latencies beyond the median are the machine's",
    )


# -- room ------------------------------------------------------------------------------------------------------------


def shared_memory(config: "Config") -> Finding:
    from engine.supervisor import shared_memory_bytes

    folder, needed = Path(config.run.shared_memory_directory), shared_memory_bytes(config)
    if not folder.is_dir():
        return finding("shared memory", FAIL, f"{folder} is no folder", "name a tmpfs in run.shared_memory_directory")
    room = os.statvfs(folder)
    free, size = room.f_bavail * room.f_frsize, room.f_blocks * room.f_frsize
    kind = filesystem(folder)
    seen = f"{folder} ({kind}): {free / MIB:,.0f} of {size / MIB:,.0f} MiB free, a run needs {needed / MIB:,.0f}"
    if free < needed:
        return finding("shared memory", FAIL, seen, f"mount -o remount,size={-(-2 * needed // MIB)}M {folder}")
    mend = "name a tmpfs in run.shared_memory_directory: on a disk every store may be written back"
    return finding("shared memory", OK if kind == "tmpfs" else WARN, seen, mend)


def filesystem(folder: Path) -> str:
    """Type of the file system that holds a folder."""
    path, best, kind = str(folder.resolve()), "", "unknown"
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, found, *_ = line.split()
        inside = path == place or path.startswith(place.rstrip("/") + "/")
        if inside and len(place) >= len(best):
            best, kind = place, found
    return kind


def run_directory(config: "Config") -> Finding:
    folder = Path(config.run.directory)
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    reserve = config.journal.stop_free_mib * MIB
    writable = os.access(there, os.W_OK)
    state = FAIL if not writable or free < reserve else OK
    seen = f"{folder}: {free / MIB:,.0f} MiB free, the journal stops below {reserve / MIB:,.0f}"
    if not writable:
        seen = f"{there} cannot be written"
    return finding("run directory", state, seen, "make room, or name another run.directory")


def open_files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = soft == resource.RLIM_INFINITY or soft >= FILES_LEAST
    return finding("open files", OK if enough else WARN, f"{soft:,} (hard {hard:,})", f"ulimit -n {FILES_LEAST}")


def locked_memory() -> Finding:
    soft, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    shown = "unlimited" if soft == resource.RLIM_INFINITY else f"{soft // 1024:,} KiB"
    return finding("locked memory", OK, f"limit {shown}; Bot4 touches its segments instead of locking them")


# -- what may be there -------------------------------------------------------------------------------------------------


def gpu() -> Finding:
    try:
        from kernels import device
    except ImportError:
        return finding("gpu", OK, "no GPU kernels in this build: risk and inference run on the CPU")
    return finding("gpu", OK, device.describe())


def systemd() -> Finding:
    there = shutil.which("systemctl") is not None
    running = Path("/run/systemd/system").is_dir()
    seen = "runs this machine" if running else "installed, not running" if there else "absent"
    return finding("systemd", OK, f"{seen}; deploy/bot4.service needs it, `bot4 run` does not")

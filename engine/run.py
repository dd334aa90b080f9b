"""A run from beginning to end: folder, shared memory, processes, watching, stopping, and the proof that it replays."""

import fcntl
import json
import os
import platform
import shutil
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from engine import assembly, clock
from engine.config import Config
from engine.core_process import CoreProcessSettings
from engine.errors import UserError
from engine.exchange.credentials import make_credentials
from engine.feed.binance import make_instrument
from engine.feed.process import FeedProcessSettings
from engine.gateway.process import GatewayProcessSettings
from engine.inference_process import InferenceProcessSettings
from engine.journal.manifest import Manifest, read_manifest, write_manifest
from engine.journal.process import JournalProcessSettings, drain
from engine.journal.status import JournalState, JournalStatus
from engine.orphans import end_orphans
from engine.replay.follower import FollowerSettings
from engine.risk_process import RiskProcessSettings
from engine.run_files import RunFiles, new_run_id, run_files
from engine.supervisor import Child, Supervisor, make_segments, ready_line, shared_memory_bytes
from engine.telemetry import systemd
from ipc.instruments import instrument

WATCH_INTERVAL_S = 0.1
SPINNERS = 2  # core and gateway
MIB = 1 << 20


class Run:
    """One run of the engine under a supervisor in this process."""

    def __init__(self, config: Config, *, live: bool = False, resume: str | None = None) -> None:
        """Takes the instance, makes the run's folders and segments. Raises UserError, SegmentError."""
        self.config = config = assembly.located(config)
        self.live = live
        self._lock = take_instance(config)
        bury_dead_runs(config, keep=resume)
        run_id = resume or new_run_id()
        self.files = run_files(run_id, config.run.directory, config.run.shared_memory_directory)
        if resume is None:
            self._create()
        else:
            self._reopen()
        note_holder(self._lock, run_id)
        self._exchange_port = self.config.exchange.port or free_port(self.config.exchange.host)
        self.supervisor = Supervisor(self.files, self._children())
        self.started_s = 0.0
        self._stop = False

    def _create(self) -> None:
        """All or nothing: what had been made is removed when something cannot be."""
        instruments = instruments_of(self.config)
        manifest = manifest_of(
            self.config, self.files.run_id, self.live
        )  # loads the strategies: a mistake ends it here
        refuse_small_shared_memory(self.config)
        try:
            self._make_files(instruments, manifest)
        except BaseException:
            shutil.rmtree(self.files.shared, ignore_errors=True)
            shutil.rmtree(self.files.directory, ignore_errors=True)
            raise

    def _make_files(self, instruments: np.ndarray[Any, Any], manifest: Manifest) -> None:
        self.files.make()
        np.save(self.files.instruments, instruments)
        write_manifest(self.files.directory, manifest)
        self.epoch = make_segments(self.files, self.config)
        note = {
            "directory": str(self.files.directory.resolve()),
            "instance": self.config.run.instance,
            "epoch": self.epoch,
            "clock_base_ns": clock.base_ns(),
        }
        (self.files.shared / "run.json").write_text(json.dumps(note))
        if self.config.run.own_exchange:
            make_credentials(self.files.shared)

    def _reopen(self) -> None:
        """A run that died whole goes on: same run id, same segments, the same order numbers."""
        path = self.files.shared / "run.json"
        if not path.exists():
            raise UserError(
                f"{self.files.run_id}: its shared memory is gone, so it cannot be resumed; replay it instead"
            )
        end_orphans(self.files.processes)
        note = json.loads(path.read_text())
        self.epoch = int(note["epoch"])
        clock.go_on_by(int(note.get("clock_base_ns", clock.base_ns())))
        self.config = assembly.config_of_run(self.files)
        if self.config.run.own_exchange:
            raise UserError(
                f"{self.files.run_id}: its built-in exchange died with it, and its orders with the exchange: "
                f"start a new run; `bot4 replay {self.files.run_id}` shows the old one"
            )

    # -- the processes, in the order of their start --

    def _children(self) -> list[Child]:
        files, config = self.files, self.config
        common: dict[str, Any] = {
            "run_id": files.run_id,
            "directory": str(files.directory.resolve()),
            "shared": str(files.shared),
        }
        children = []
        if self.config.run.own_exchange:
            children.append(
                Child(
                    "exchange",
                    lambda: msgspec.structs.replace(
                        config.exchange,
                        seed=config.run.seed,
                        port=self._exchange_port,
                        ledger_file=str((files.directory / "ledger.jsonl").resolve()),
                        credentials_file=str(files.shared / "exchange-keys.json"),
                    ),
                    lambda: ready_line(files, "exchange") is not None,
                    restart=False,
                )
            )
        children += [
            Child("journal", self._journal_settings, self._journal_runs),
            Child("gateway", lambda: self._gateway_settings(common), files.counters("gateway").exists),
            Child(
                "core",
                lambda: CoreProcessSettings(**common, epoch=self.epoch, spinners=SPINNERS),
                lambda: self.supervisor.beats("core"),
            ),
            *self._inference(common),  # before the feed: it needs the first snapshot, as the core does
            Child("feed", lambda: self._feed_settings(common), files.counters("feed").exists),
            *self._risk(common),
            Child(
                "follower",
                lambda: FollowerSettings(**common, interval_s=config.run.snapshot_interval_s),
                lambda: True,
            ),
        ]
        return children

    def _inference(self, common: dict[str, Any]) -> list[Child]:
        """The inference process, if a configured model has no compiled evaluator. Raises UserError for a bad model."""
        if all(model.compiled for model in assembly.models_of(self.config)):
            return []
        counters = self.files.counters("inference")
        return [Child("inference", lambda: InferenceProcessSettings(**common, epoch=self.epoch), counters.exists)]

    def _risk(self, common: dict[str, Any]) -> list[Child]:
        """The risk process: nobody waits for it, and its death is no reason to stop."""
        if not self.config.risk_process.enabled:
            return []
        settings = RiskProcessSettings(**common, epoch=self.epoch)
        return [Child("risk", lambda: settings, lambda: True, vital=False)]

    def _journal_settings(self) -> JournalProcessSettings:
        return JournalProcessSettings(
            run_directory=str(self.files.directory.resolve()),
            ring=str(self.files.ring("journal")),
            status=str(self.files.journal_status),
            bell=str(self.files.gateway_bell) if self.config.journal.durability == "disk" else "",
            journal=self.config.journal,
        )

    def _journal_runs(self) -> bool:
        path = self.files.journal_status
        return path.exists() and JournalStatus(path).state == JournalState.RUNNING

    def _exchange_address(self) -> str:
        return self.config.run.exchange_address or f"{self.config.exchange.host}:{self._exchange_port}"

    def _gateway_settings(self, common: dict[str, str]) -> GatewayProcessSettings:
        config, gateway = self.config, self.config.gateway
        if config.run.orders == "exchange":
            own_key = str(self.files.shared / "trader-key.json") if config.run.own_exchange else gateway.credential_file
            gateway = msgspec.structs.replace(
                gateway, address=f"ws://{self._exchange_address()}/ws-api/v3", credential_file=own_key
            )
        return GatewayProcessSettings(
            **common,
            epoch=self.epoch,
            spinners=SPINNERS,
            venue="paper" if config.run.orders == "paper" else "binance",
            durability=config.journal.durability,
            gateway=gateway,
            paper=config.paper,
        )

    def _feed_settings(self, common: dict[str, str]) -> FeedProcessSettings:
        return FeedProcessSettings(
            **common,
            epoch=self.epoch,
            address=self._exchange_address() if self.config.run.market == "exchange" else "",
            feed=self.config.feed,
        )

    # -- the life of the run --

    def start(self) -> None:
        """Starts everything. Raises UserError naming the process that did not start; what had started is stopped."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.ask_to_stop())
        try:
            self.supervisor.start()
        except BaseException:
            self.supervisor.stop()
            raise
        self.started_s = time.monotonic()
        systemd.notify("READY=1")

    def ask_to_stop(self) -> None:
        self._stop = True

    def watch(self, seconds: float, look: Callable[["Run"], None] = lambda _: None) -> None:
        """Until the time is over (0: for ever), a signal, or a child that is not to be restarted has died."""
        deadline = self.started_s + seconds if seconds else float("inf")
        while not self._stop and time.monotonic() < deadline:
            self.supervisor.watch()
            if self.supervisor.ended is not None:
                break
            look(self)
            time.sleep(WATCH_INTERVAL_S)

    def finish(self) -> None:
        """Stops the processes in order and removes the shared memory; the journal is whole and closed."""
        systemd.notify("STOPPING=1")
        self.supervisor.stop()
        if not self.supervisor.unclean:
            self._complete_journal()
            self.files.remove_shared()
        self._lock.close()

    def _complete_journal(self) -> None:
        """A journal process that died last left records in its ring: they are journaled before the ring goes."""
        if not read_manifest(self.files.directory).closed and self.files.ring("journal").exists():
            drain(self.files.directory, self.files.ring("journal"), self.config.journal, self.files.journal_status)


def free_port(host: str) -> int:
    """A port that is free now, so that everybody can be told it before the exchange listens."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


# -- one instance at a time --------------------------------------------------------------------------------------------


def take_instance(config: Config) -> Any:
    """The lock of the instance, an open file. Raises UserError naming the run and process that hold it."""
    folder = Path(config.run.directory)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / f".{config.run.instance}.lock").open("a+")
    except OSError as error:
        raise UserError(f"run.directory {folder}: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read().strip() or "another run"
        raise UserError(
            f"{holder} holds this instance: stop it (Ctrl-C there, or kill its pid), or choose another run.instance"
        ) from None
    return lock


def note_holder(lock: Any, run_id: str) -> None:
    lock.seek(0)
    lock.truncate()
    lock.write(f"run {run_id} (pid {os.getpid()})")
    lock.flush()


def bury_dead_runs(config: Config, keep: str | None) -> list[str]:
    """Runs of this instance that were killed: their journal rings are drained, then their shared memory is removed."""
    buried = []
    root = run_files("x", config.run.directory, config.run.shared_memory_directory).shared.parent
    for note_path in sorted(root.glob("*/run.json")):
        note = json.loads(note_path.read_text())
        shared = note_path.parent
        directory = Path(note["directory"])
        if (
            note["instance"] != config.run.instance
            or shared.name == keep
            or directory.parent != Path(config.run.directory).resolve()
        ):
            continue
        files = RunFiles(shared.name, directory, shared)
        end_orphans(files.processes)
        if files.ring("journal").exists() and directory.exists():
            drain(directory, files.ring("journal"), assembly.config_of_run(files).journal, files.journal_status)
        files.remove_shared()
        buried.append(shared.name)
    return buried


def refuse_small_shared_memory(config: Config) -> None:
    """Raises UserError when the rings of a run do not fit: later it would be the kernel that says so, with SIGBUS."""
    folder = Path(config.run.shared_memory_directory)
    try:
        room = os.statvfs(folder)
    except OSError as error:
        raise UserError(f"run.shared_memory_directory {folder}: {error.strerror}") from None
    free, needed = room.f_bavail * room.f_frsize, shared_memory_bytes(config)
    if free < needed:
        raise UserError(
            f"{folder} has {free / MIB:,.0f} MiB free, a run needs {needed / MIB:,.0f}: enlarge it (mount -o "
            f"remount,size={-(-2 * needed // MIB)}M {folder}; docker run --shm-size), or name another tmpfs in "
            "run.shared_memory_directory"
        )


# -- what a run is ---------------------------------------------------------------------------------------------------


def instruments_of(config: Config) -> np.ndarray[Any, Any]:
    """INSTRUMENT rows of the configured names, in order. Raises UserError for what does not exist or fit together."""
    assembly.check_limits(config, list(config.instruments))
    assembly.check_refresh(config)
    if config.run.market == "exchange":
        rows = {
            f"{symbol.symbol}.BINANCE": instrument(
                f"{symbol.symbol}.BINANCE",
                symbol.symbol,
                symbol.tick_size,
                symbol.lot_size,
                minimum_notional=symbol.minimum_notional,
                maker_fee_e7=symbol.maker_fee_e7,
                taker_fee_e7=symbol.taker_fee_e7,
            )
            for symbol in config.exchange.symbols
        }
        missing = [name for name in config.instruments if name not in rows]
        if missing:
            raise UserError(f"{missing[0]} does not exist on the built-in exchange; it has {', '.join(rows)}")
        assembly.check_currency(config)
        return np.concatenate([rows[name] for name in config.instruments])
    found = []
    for name in config.instruments:
        symbol, _, venue = name.partition(".")
        market = "usdm" if symbol.endswith("-PERP") else "spot"
        try:
            found.append(make_instrument(market, symbol.removesuffix("-PERP")))
        except KeyError:
            raise UserError(
                f"{name} is not known: {venue or 'no venue'}; write SYMBOL.BINANCE or SYMBOL-PERP.BINANCE"
            ) from None
    return np.concatenate(found)


def manifest_of(config: Config, run_id: str, live: bool) -> Manifest:
    """Who runs what: enough to say later whether a replay is the same programme on the same inputs."""
    return Manifest(
        run_id=run_id,
        created_time_ns=clock.utc_ns(),
        mode="live" if live else "paper",
        config_sha256=config.sha256(),
        config=msgspec.to_builtins(config, enc_hook=str),
        build_id=assembly.build_id(),
        sources=assembly.source_hashes() | assembly.strategy_hashes(config),
        models={model.name: model.sha256 for model in assembly.models_of(config)},
        seed=config.run.seed,
        cpu=platform.processor() or platform.machine(),
    )

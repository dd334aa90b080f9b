"""Where the files of a run lie: what must last on disk, what living processes share in memory."""

import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from engine.errors import UserError

RINGS = ("market", "orders", "reports", "commands", "results", "risk", "journal")


@dataclass(frozen=True)
class RunFiles:
    """Paths of one run.

    DIRECTORY/RUN_ID/     manifest.json  journal/  snapshots/  settings/  logs/  risk_bars.npy  report.html
    SHARED/RUN_ID/        NAME.ring  NAME.counters  journal.status  views  processes.json  halt  attempts
                          NAME.bell  NAME.socket
    """

    run_id: str
    directory: Path
    shared: Path

    # -- QUERIES --

    def ring(self, name: str) -> Path:
        return self.shared / f"{name}.ring"

    def counters(self, process: str) -> Path:
        return self.shared / f"{process}.counters"

    def settings(self, process: str) -> Path:
        return self.directory / "settings" / f"{process}.json"

    def log(self, process: str) -> Path:
        return self.directory / "logs" / f"{process}.log"

    @property
    def journal_status(self) -> Path:
        return self.shared / "journal.status"

    @property
    def views(self) -> Path:
        return self.shared / "views"

    @property
    def processes(self) -> Path:
        return self.shared / "processes.json"

    @property
    def halt(self) -> Path:
        return self.shared / "halt"

    @property
    def attempts(self) -> Path:
        return self.shared / "attempts"

    @property
    def gateway_bell(self) -> Path:
        return self.shared / "gateway.bell"

    @property
    def core_socket(self) -> Path:
        return self.shared / "core.socket"

    @property
    def health_socket(self) -> Path:
        return self.shared / "health.socket"

    @property
    def instruments(self) -> Path:
        return self.directory / "instruments.npy"

    @property
    def risk_bars(self) -> Path:
        return self.directory / "risk_bars.npy"

    @property
    def report(self) -> Path:
        return self.directory / "report.html"

    # -- COMMANDS --

    def make(self) -> None:
        """Creates the folders of a new run."""
        for folder in (self.directory, self.directory / "settings", self.directory / "logs", self.shared):
            folder.mkdir(parents=True, exist_ok=True)
        self.shared.chmod(0o700)

    def remove_shared(self) -> None:
        """Removes the shared memory of a run whose journal ring has been drained."""
        for path in self.shared.glob("*"):
            path.unlink(missing_ok=True)
        self.shared.rmdir()


def new_run_id() -> str:
    """Short, sortable, unique on this host, and legal in a venue's client order id: 261121-0131-7f3a."""
    return time.strftime("%y%m%d-%H%M%S", time.gmtime()) + "-" + secrets.token_hex(2)


def run_files(run_id: str, directory: str | Path, shared_memory: str | Path) -> RunFiles:
    """The paths of a run of this user."""
    return RunFiles(run_id, Path(directory) / run_id, Path(shared_memory) / f"bot4-{os.getuid()}" / run_id)


def latest_run(directory: str | Path) -> str:
    """Id of the newest run. Raises UserError when there is none."""
    runs = [path.parent for path in Path(directory).glob("*/manifest.json")]
    if not runs:
        raise UserError(f"{directory}: no run here; `bot4 run` makes one")
    return max(runs, key=lambda path: path.name).name


def find_run(name: str | None, directory: str | Path) -> Path:
    """Folder of a run, by id, unique beginning of it, path, or the latest. Raises UserError."""
    if name is None:
        return Path(directory) / latest_run(directory)
    if (Path(name) / "manifest.json").is_file():
        return Path(name)
    found = [path.parent for path in Path(directory).glob(f"{name}*/manifest.json")]
    if len(found) != 1:
        what = "no run" if not found else f"{len(found)} runs"
        raise UserError(f"{what} in {directory} begin with {name!r}; `bot4 replay --latest` takes the newest")
    return found[0]

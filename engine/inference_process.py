"""The inference process: reads the market ring like the core, runs the same book and feature stages, and forecasts.

It is one more reader of the market ring and the one writer of the results ring. It never holds the core up: it reads
what is there, forecasts from the newest row, and drops a result for which the ring has no room (counted). It needs a
snapshot in the market ring to begin with, as the core does: started or lapped in the middle of a run, it has no
forecast until the feed brings the next one, and the core's forecast is not ready meanwhile.
"""

import signal
import threading
from pathlib import Path

import msgspec
import numpy as np

from engine import assembly, clock
from engine.config import Config
from engine.core import SAID_RECORDS, Core
from engine.errors import Exit, UserError
from engine.forecast.inference import ExternalModel, Inference
from engine.pipeline import FEATURE_NAMES, Pipeline
from engine.run_files import RunFiles
from engine.stage import FEATURE_VIEW
from ipc.bus import Heart
from ipc.counters import Counters
from ipc.messages import MESSAGE, SOURCE_SHIFT, Flag, Kind, Source
from ipc.ring import Ring, RingFull
from kernels.device import GpuMissing, Mode, gpu
from models.extras import ExtraMissing
from models.inference.session import Session, SessionFailed
from models.registry.store import ModelCorrupt, ModelMissing, load_onnx

CONSUMER_NAME = "inference"
COUNTERS = ("records", "lapped_records", "evaluated", "overtaken", "dropped")
HISTOGRAMS = ("evaluate",)
CHUNK_RECORDS = 16_384
SLEEP_S = 0.002


class InferenceProcessSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`gpu`: "off", "auto" or "require"; the models are those of the run's configuration that have no evaluator."""

    run_id: str
    directory: str
    shared: str
    epoch: int
    gpu: Mode = "off"


def main(settings: InferenceProcessSettings) -> None:
    """Runs until SIGTERM or SIGINT. Raises UserError, SegmentError."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    files = RunFiles(settings.run_id, Path(settings.directory), Path(settings.shared))
    config = assembly.config_of_run(files)
    process = InferenceProcess(files, settings, config, external_models(config, settings.gpu))
    while not stop.is_set():
        process.turn()
    process.close()


def external_models(config: Config, mode: Mode) -> list[ExternalModel]:
    """A session for every slot whose model has no compiled evaluator. Raises UserError."""
    try:
        on_gpu = gpu(mode) is not None
        found = []
        for slot, model in enumerate(assembly.models_of(config)):
            if model.compiled:
                continue
            _, onnx_bytes = load_onnx(assembly.model_folder(config.models[slot]))
            session = Session(onnx_bytes, len(model.features), len(model.horizons_ms), on_gpu=on_gpu)
            found.append(ExternalModel(slot, session, model.columns(FEATURE_NAMES)))
    except ModelMissing as error:
        raise UserError(str(error)) from None
    except ModelCorrupt as error:
        raise UserError(str(error), Exit.INTEGRITY) from None
    except (ExtraMissing, GpuMissing, SessionFailed, ValueError) as error:
        raise UserError(f"inference: {error}") from None
    return found


class InferenceProcess:
    """Book and features of every instrument, behind the market ring; one turn reads, forecasts and beats."""

    def __init__(
        self, files: RunFiles, settings: InferenceProcessSettings, config: Config, models: list[ExternalModel]
    ) -> None:
        instruments = np.load(files.instruments)
        alone = msgspec.structs.replace(config, strategies=())
        self._pipeline = Pipeline(instruments, alone.core(), (), hashing=False)
        book, features = self._pipeline.book, self._pipeline.features
        self._core = Core([("book", book.step(), None), ("features", features.step(), None)], hashing=False)
        self._inference = Inference(features.rows(FEATURE_VIEW), models)
        market = Ring.attach(files.ring("market"))
        self._consumer = market.consumer(CONSUMER_NAME, market.base)
        self._producer = Ring.attach(files.ring("results")).producer()
        self._records = np.zeros(CHUNK_RECORDS, dtype=MESSAGE)
        self._said = np.zeros(SAID_RECORDS, dtype=MESSAGE)  # what book and features say here, nobody reads
        path = files.counters("inference")
        self._counters = (
            Counters.reopen(path)
            if path.exists()
            else Counters.create(path, epoch=settings.epoch, counters=COUNTERS, histograms=HISTOGRAMS)
        )
        self._heart = Heart(files.health_socket, "inference", settings.epoch)

    # -- COMMANDS --

    def turn(self) -> None:
        """Reads what is there; forecasts once nothing is left; sleeps, for a bounded time, when nothing came."""
        count = self._consumer.receive(self._records)
        if count < 0:
            self._counters.increase("lapped_records", self._consumer.lost)
            self._feed(lapped(self._consumer.lost))
        elif count > 0:
            self._counters.increase("records", count)
            self._feed(self._records[:count])
        if count == 0:
            self._consumer.sleep(SLEEP_S)
        elif self._consumer.pending == 0:
            self._forecast()
        self._heart.beat(clock.utc_ns(), "running", self._counters.value("records"))

    def close(self) -> None:
        """Leaves the market ring, gives the results ring back."""
        self._consumer.close()
        self._producer.close()
        self._counters.close()
        self._heart.close()

    def _feed(self, records: np.ndarray) -> None:
        taken = 0
        while taken < len(records):
            taken += self._core.feed(records[taken:], self._said)[0]
            fault = self._core.fault_text()
            if fault is not None:
                raise UserError(f"inference: {fault}", Exit.FAILED)

    def _forecast(self) -> None:
        started_ns = clock.utc_ns()
        said = self._inference.forecasts()
        if len(said) == 0:
            return
        self._counters.observe("evaluate", clock.utc_ns() - started_ns)
        try:
            self._producer.send(said)
        except RingFull:
            self._counters.increase("dropped", int((said["flags"] & Flag.LAST != 0).sum()))
        self._counters.set("evaluated", self._inference.evaluated)
        self._counters.set("overtaken", self._inference.overtaken)


def lapped(lost: int) -> np.ndarray:
    """What the core's loop would write for itself after a lap: the books it feeds are invalid. Shape (1,)."""
    record = np.zeros(1, dtype=MESSAGE)
    record["kind"], record["extra"], record["quantity_lots"] = Kind.LAPPED, Source.MARKET, lost
    record["flags"] = Flag.LAST | Source.LOOP << SOURCE_SHIFT
    return record

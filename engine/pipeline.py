"""The whole journey in one file: which stages there are, in which order, and who reads whose view.

    book -> execution.reports -> features -> forecast -> strategy -> sizing -> risk -> execution.orders

A message is offered to each slot in this order; what a slot says is offered to the later ones only. The same pipeline
is assembled for backtest, replay, paper and live; only what brings messages and takes orders differs.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.book.stage import BookStage
from engine.config import CoreSettings
from engine.core import Core
from engine.execution.stage import ExecutionStage
from engine.features.catalogue import CATALOGUE
from engine.features.stage import FeatureStage
from engine.forecast.stage import ForecastStage
from engine.risk.stage import RiskStage
from engine.sizing.stage import SizingStage
from engine.stage import ACCOUNT_VIEW, BOOK_VIEW, FEATURE_VIEW, FORECAST_VIEW, RISK_VIEW, SIZING_VIEW, Stage
from engine.strategy.bound import BoundStrategy
from engine.strategy.stage import StrategyStage
from models.registry.prepared import PreparedModel

FEATURE_NAMES = tuple(feature.name for feature in CATALOGUE)


class Pipeline:
    """The stages, wired, and the core that runs them.

    instruments: INSTRUMENT rows, shape (n,). strategies: in the order of their index. models: forecast slots.
    """

    def __init__(
        self,
        instruments: np.ndarray[Any, Any],
        settings: CoreSettings,
        strategies: Sequence[BoundStrategy],
        models: Sequence[PreparedModel] = (),
        *,
        hashing: bool = True,
    ) -> None:
        bound_to = np.array([strategy.instrument for strategy in strategies], dtype=np.int64)
        self.instruments = instruments
        self.book = BookStage(instruments, settings.book)
        self.execution = ExecutionStage(instruments, len(strategies), bound_to, settings.execution)
        self.features = FeatureStage(instruments, self.book.view(), settings.features)
        self.forecast = ForecastStage(len(instruments), self.features.view(), models, settings.forecast, FEATURE_NAMES)
        self.strategy = StrategyStage(
            instruments,
            strategies,
            self.book.view(),
            self.features.view(),
            self.forecast.view(),
            self.execution.view("strategies"),
            self.execution.view("report"),
            settings.strategy,
        )
        self.risk = RiskStage(
            instruments,
            self.book.view(),
            self.execution.view("instruments"),
            self.execution.view("strategies"),
            settings.risk,
        )
        self.sizing = SizingStage(
            instruments,
            len(strategies),
            self.features.view(),
            settings.sizing,
            FEATURE_NAMES,
            forecast=self.forecast.view(),
            results=self.risk.view("results"),
            risk=self.risk.view(),
            accounts=self.execution.view("strategies"),
            holdings=self.execution.view("instruments"),
            models=models,
        )
        self.core = Core(self._slots(), hashing)

    def _slots(self) -> list[tuple[str, Any, Any]]:
        """The core's table, in the order of the journey: name, step, and the view that CHECK hashes cover."""
        return [
            ("book", self.book.step(), self.book.view()),
            ("execution.reports", self.execution.step("reports"), self.execution.view("instruments")),
            ("features", self.features.step(), self.features.view()),
            ("forecast", self.forecast.step(), self.forecast.view()),
            ("strategy", self.strategy.step(), self.strategy.view()),
            ("sizing", self.sizing.step(), None),
            ("risk", self.risk.step(), self.risk.view()),
            ("execution.orders", self.execution.step("orders"), None),
        ]

    # -- QUERIES --

    @property
    def stages(self) -> dict[str, Stage]:
        """Every stage by name, in the order of the journey."""
        return {
            "book": self.book,
            "execution": self.execution,
            "features": self.features,
            "forecast": self.forecast,
            "strategy": self.strategy,
            "sizing": self.sizing,
            "risk": self.risk,
        }

    def rows(self) -> dict[str, np.ndarray[Any, Any]]:
        """The live views as read-only arrays: book, features, forecast, instruments, strategies, sizing, risk."""
        return {
            "book": self.book.rows(BOOK_VIEW),
            "features": self.features.rows(FEATURE_VIEW),
            "forecast": self.forecast.rows(FORECAST_VIEW),
            "instruments": self.execution.rows(ACCOUNT_VIEW, "instruments"),
            "strategies": self.execution.rows(ACCOUNT_VIEW, "strategies"),
            "sizing": self.sizing.rows(SIZING_VIEW),
            "risk": self.risk.rows(RISK_VIEW),
        }

    def snapshot(self) -> dict[str, Any]:
        """All mutable state: {"counters": ..., "stages": {stage: {block: bytes}}}."""
        return {
            "counters": self.core.counters(),
            "stages": {name: stage.snapshot() for name, stage in self.stages.items()},
        }

    # -- COMMANDS --

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Puts a snapshot back. Raises ValueError when it is of another pipeline."""
        stages = self.stages
        if list(stages) != list(snapshot["stages"]):
            raise ValueError(f"snapshot has stages {list(snapshot['stages'])}, this pipeline {list(stages)}")
        for name, stage in stages.items():
            stage.restore(snapshot["stages"][name])
        self.core.restore(snapshot["counters"])

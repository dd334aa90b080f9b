"""Builds a pipeline from a configuration: loads strategies and models, the slow side of what pipeline.py wires."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace

from engine.config import Config, convert
from engine.errors import UserError
from engine.journal.manifest import read_manifest
from engine.pipeline import Pipeline
from engine.run_files import RunFiles
from engine.sizing.belief import beliefs
from engine.strategy.bound import BoundStrategy, bind
from engine.strategy.loader import load
from models.registry.prepared import PreparedModel
from models.registry.store import ModelCorrupt, ModelMissing, load_model

PROJECT = Path(__file__).resolve().parent.parent
SHIPPED_MODELS = PROJECT / "models" / "signals" / "shipped"
SOURCE_PATTERNS = ("*.py", "*.pyx", "*.pxd", "*.h")


def cache_folder() -> Path:
    """Where compiled strategies are kept; `make build` fills it."""
    return PROJECT / "build" / "strategies"


def pipeline_of(
    config: Config,
    instruments: np.ndarray[Any, Any],
    *,
    compiled: bool = True,
    hashing: bool = True,
    results: bool = False,
) -> Pipeline:
    """A pipeline at rest; `results`: of a run, which has a risk process. Raises UserError for what cannot be loaded."""
    strategies, models = strategies_of(config, instruments, compiled), models_of(config)
    check_sizing(config, models)
    check_limits(config, [row["name"].decode() for row in instruments])
    return Pipeline(instruments, config.core(results=results), strategies, models, hashing=hashing)


def strategies_of(config: Config, instruments: np.ndarray[Any, Any], compiled: bool) -> list[BoundStrategy]:
    """Every copy of every strategy chosen, in the order of its index."""
    rows = {row["name"].decode(): number for number, row in enumerate(instruments)}
    loaded = {choice.name: load(choice.name) for choice in config.strategies}
    chosen = []
    for choice in config.strategies:
        if choice.instrument not in rows:
            raise UserError(f"{choice.instrument} is not among the instruments here: {', '.join(rows)}")
        chosen += [(loaded[choice.name], rows[choice.instrument], dict(choice.params))] * choice.copies
    return bind(chosen, cache_folder() if compiled else None)


def located(config: Config) -> Config:
    """The same with full paths to strategy files and model folders: the processes of a run live in another folder."""
    strategies = tuple(
        replace(choice, name=str(Path(choice.name).resolve())) if Path(choice.name).is_file() else choice
        for choice in config.strategies
    )
    models = tuple(str(Path(name).resolve()) if Path(name).is_dir() else name for name in config.models)
    return replace(config, strategies=strategies, models=models)


def model_folder(name: str) -> Path:
    """Folder of a model: a path, or the name of one that ships with Bot4."""
    path = Path(name)
    return path if path.is_dir() else SHIPPED_MODELS / name


def models_of(config: Config) -> list[PreparedModel]:
    """The forecast slots, in order. Raises UserError naming the model."""
    try:
        return [load_model(model_folder(name)) for name in config.models]
    except ModelMissing as error:
        raise UserError(f"{error}; `bot4 model ls` lists those there are") from None
    except ModelCorrupt as error:
        raise UserError(str(error), error.exit_code if hasattr(error, "exit_code") else 3) from None  # type: ignore[arg-type]


def check_sizing(config: Config, models: list[PreparedModel]) -> None:
    """Raises UserError where sizing by Kelly does not fit the models."""
    try:
        beliefs(config.core().sizing, models)
    except ValueError as error:
        raise UserError(f"sizing: {error}") from None


def check_limits(config: Config, names: list[str]) -> None:
    """Raises UserError where limits are given for an instrument that is not among these."""
    for name in config.risk.instruments:
        if name not in names:
            raise UserError(f"risk.instruments.{name}: it is not among the instruments here: {', '.join(names)}")


def check_currency(config: Config) -> None:
    """Profit, limits and CVaR are sums over the instruments, in one currency. Raises UserError. Of Binance's, all that
    are known here are quoted in USDT."""
    assets = {f"{symbol.symbol}.BINANCE": symbol.quote_asset for symbol in config.exchange.symbols}
    first = config.instruments[0]
    for name in config.instruments:
        if assets[name] != assets[first]:
            raise UserError(
                f"instruments: {first} is quoted in {assets[first]}, {name} in {assets[name]}: limits and CVaR are "
                "sums in one currency, so give each a run of its own"
            )


def check_refresh(config: Config) -> None:
    """Raises UserError where results of the risk process would be too old before the next ones come."""
    age_s = config.risk.results_age_ms / 1_000
    if config.risk_process.enabled and config.risk_process.refresh_s >= age_s:
        raise UserError(
            f"risk_process.refresh_s ({config.risk_process.refresh_s:g}) must be below risk.results_age_ms "
            f"({config.risk.results_age_ms}): results would be too old before the next ones come"
        )


def pipeline_of_run(files: RunFiles, *, hashing: bool = True) -> Pipeline:
    """The pipeline of a recorded or living run, from its manifest. Raises UserError for what cannot be loaded."""
    config = config_of_run(files)
    instruments = np.load(files.instruments)
    return pipeline_of(config, instruments, compiled=config.run.compiled, hashing=hashing, results=True)


def config_of_run(files: RunFiles) -> Config:
    """The configuration a run was started with."""
    return convert(dict(read_manifest(files.directory).config), f"{files.directory}/manifest.json")


def strategy_hashes(config: Config) -> dict[str, str]:
    """{name of each strategy chosen: digest over its sources and constants}."""
    return {f"strategy {choice.name}": load(choice.name).source_digest for choice in config.strategies}


def source_hashes() -> dict[str, str]:
    """SHA-256 of every source file that decides what a run computes: {path within the project: hash}."""
    files = [PROJECT / "setup.py"]
    for package in ("ipc", "kernels", "models", "engine"):
        for pattern in SOURCE_PATTERNS:
            files += (PROJECT / package).rglob(pattern)
    return {
        str(path.relative_to(PROJECT)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(files)
        if "__pycache__" not in path.parts
    }


def build_id() -> str:
    """One hash over all sources and the versions of what compiles them."""
    import numba

    digest = hashlib.sha256(f"numpy {np.__version__} numba {numba.__version__}".encode())
    for name, value in source_hashes().items():
        digest.update(f"{name}={value}\n".encode())
    return digest.hexdigest()[:16]

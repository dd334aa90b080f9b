"""The configuration of a run: TOML into frozen structs, unknown keys are errors, units are in the names.

Each part's settings stand in `config.py` of its own folder; here they are put together. Secrets are never in the file.
"""

import difflib
import hashlib
import math
import re
import tomllib
from pathlib import Path
from typing import Any, Literal

import msgspec

from engine.book.config import BookSettings
from engine.errors import UserError
from engine.exchange.config import ExchangeSettings
from engine.execution.config import ExecutionSettings
from engine.features.config import FeatureSettings
from engine.feed.config import FeedConfig
from engine.forecast.config import ForecastSettings
from engine.gateway.config import GatewaySettings
from engine.gateway.fill_models import FillModels
from engine.journal.config import JournalSettings
from engine.risk.config import RiskSettings
from engine.risk_models.config import RiskProcessConfig
from engine.sizing.config import SizingSettings
from engine.strategy.config import StrategySettings

FILE_NAME = "bot4.toml"
SECRET = re.compile(r"(secret|password|passphrase|private_key|api_key)", re.IGNORECASE)


class CoreSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings of the stages, which decide: a change of any changes what a run computes."""

    book: BookSettings = BookSettings()
    features: FeatureSettings = FeatureSettings()
    forecast: ForecastSettings = ForecastSettings()
    strategy: StrategySettings = StrategySettings()
    sizing: tuple[SizingSettings, ...] = ()
    risk: RiskSettings = RiskSettings()
    execution: ExecutionSettings = ExecutionSettings()


class StrategyChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One strategy in the core: a built-in name or the path of a file, bound to an instrument."""

    name: str = "market_maker"
    instrument: str = "BTCUSDT.BINANCE"
    copies: int = 1
    params: dict[str, int | float] = {}
    sizing: SizingSettings = SizingSettings()

    def __post_init__(self) -> None:
        if not 1 <= self.copies <= 10_000:
            raise ValueError(f"copies must lie between 1 and 10000, is {self.copies}")


class RunSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where a run lives and how long it lasts."""

    instance: str = "default"  # two runs of one instance never live at the same time
    directory: str = "runs"
    shared_memory_directory: str = "/dev/shm"
    seconds: float = 0.0  # 0: until stopped
    seed: int = 1
    market: Literal["exchange", "binance"] = (
        "exchange"  # where market data comes from: the built-in exchange, or Binance
    )
    exchange_address: str = ""  # host:port of a built-in exchange that runs already; "" starts one with the run
    orders: Literal["exchange", "paper", "binance"] = "exchange"  # where orders go; "binance" needs --live
    compiled: bool = True
    snapshot_interval_s: float = 60.0
    market_ring_records: int = 1 << 17
    order_ring_records: int = 1 << 14
    journal_ring_records: int = 1 << 18

    @property
    def own_exchange(self) -> bool:
        """Whether the built-in exchange is a process of the run, and not one that ran before and stays."""
        return self.market == "exchange" and not self.exchange_address

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9_-]{1,24}", self.instance):
            raise ValueError(f"instance must be 1 to 24 of a-z 0-9 _ -, is {self.instance!r}")
        for name in ("seconds", "snapshot_interval_s"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be a number and not negative, is {getattr(self, name)}")
        for name, least in (
            ("market_ring_records", 65_536),
            ("order_ring_records", 4_096),
            ("journal_ring_records", 65_536),
        ):
            value = getattr(self, name)
            if value < least or value & (value - 1):
                raise ValueError(f"{name} must be a power of two of at least {least}, is {value}")


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything a run is told."""

    run: RunSettings = RunSettings()
    exchange: ExchangeSettings = ExchangeSettings()
    feed: FeedConfig = FeedConfig()
    gateway: GatewaySettings = GatewaySettings()
    paper: FillModels = FillModels()
    journal: JournalSettings = JournalSettings()
    book: BookSettings = BookSettings()
    features: FeatureSettings = FeatureSettings()
    forecast: ForecastSettings = ForecastSettings()
    strategy: StrategySettings = StrategySettings()
    risk: RiskSettings = RiskSettings()
    execution: ExecutionSettings = ExecutionSettings()
    risk_process: RiskProcessConfig = RiskProcessConfig()
    models: tuple[str, ...] = (
        "linear",
    )  # forecast slots: shipped names or model folders; the first active one answers
    instruments: tuple[str, ...] = ("BTCUSDT.BINANCE",)
    strategies: tuple[StrategyChoice, ...] = (StrategyChoice(),)

    def __post_init__(self) -> None:
        for choice in self.strategies:
            if choice.instrument not in self.instruments:
                raise ValueError(
                    f"strategies: {choice.name} trades {choice.instrument}, which is not in instruments "
                    f"({', '.join(self.instruments)})"
                )
        if not self.instruments:
            raise ValueError("instruments must name at least one")
        twice = [name for name in self.instruments if self.instruments.count(name) > 1]
        if twice:
            raise ValueError(f"instruments names {twice[0]} twice: its limits would count for each by itself")

    def core(self, *, results: bool = False) -> CoreSettings:
        """The part that decides what a run computes. results: whether a risk process is to be expected beside it."""
        risk = msgspec.structs.replace(self.risk, results_expected=results and self.risk_process.enabled)
        return CoreSettings(
            book=self.book,
            features=self.features,
            forecast=self.forecast,
            strategy=self.strategy,
            sizing=tuple(choice.sizing for choice in self.strategies for _ in range(choice.copies)),
            risk=risk,
            execution=self.execution,
        )

    def sha256(self) -> str:
        """Hash of the whole configuration, defaults included."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()


def load(path: Path | None) -> Config:
    """The configuration in a file; without one, `bot4.toml` here if it exists, else the defaults. Raises UserError."""
    if path is None:
        path = Path(FILE_NAME)
        if not path.exists():
            return Config()
    try:
        text = path.read_text()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}: name an existing file with --config") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text, at byte {error.start}: name a TOML file with --config") from None
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: not TOML: {error}") from None
    return convert(values, str(path))


def convert(values: dict[str, Any], where: str) -> Config:
    """Config from plain values. Raises UserError with the key's path and the nearest known key."""
    refuse_secrets(values, where)
    try:
        return msgspec.convert(values, Config)
    except msgspec.ValidationError as error:
        raise UserError(f"{where}: {explain(str(error), values)}") from None


def refuse_secrets(values: Any, where: str, path: str = "") -> None:
    """Keys belong in the environment or a credential file. Raises UserError naming the key that does not belong."""
    if isinstance(values, dict):
        for key, value in values.items():
            if SECRET.search(key) and isinstance(value, str) and not key.endswith("_file"):
                raise UserError(
                    f"{where}: {path}{key} holds a secret: remove it and set BOT4_API_KEY and BOT4_API_SECRET in the "
                    "environment, or name a credential file in gateway.credential_file"
                )
            refuse_secrets(value, where, f"{path}{key}.")
    elif isinstance(values, list):
        for value in values:
            refuse_secrets(value, where, path)


def explain(message: str, values: dict[str, Any]) -> str:
    """A msgspec message as a key path and a mend."""
    at = re.search(r" - at `\$\.?([^`]*)`", message)
    path = re.sub(r"\[(\.\.\.|\d+)\]", "", at.group(1)) if at else ""
    text = message[: at.start()] if at else message
    unknown = re.search(r"unknown field `([^`]*)`", text)
    if not unknown:
        return f"{path}: {text}" if path else text
    key = unknown.group(1)
    full = f"{path}.{key}" if path else key
    return f"{full} is unknown{suggestion(key, path)}"


def suggestion(key: str, path: str) -> str:
    """The nearest known key, as a question, or which keys there are."""
    fields = known_keys(path)
    inside = [name for name in fields if key.rsplit("_", maxsplit=1)[-1] in name.split("_")]
    near = (
        difflib.get_close_matches(key, fields, n=1, cutoff=0.6)
        or inside[:1]
        or difflib.get_close_matches(key, fields, n=1, cutoff=0.4)
    )
    if near:
        return f"; did you mean {path + '.' if path else ''}{near[0]}?"
    return f"; known are {', '.join(fields)}" if fields else ""


def known_keys(path: str) -> list[str]:
    """Field names of the struct at a key path."""
    kind: Any = Config
    for part in filter(None, path.split(".")):
        hint = next((field.type for field in msgspec.structs.fields(kind) if field.name == part), None)
        options = getattr(hint, "__args__", (hint,))
        kind = options[-1] if getattr(hint, "__origin__", None) is dict else options[0]
        if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
            return []
    return [field.name for field in msgspec.structs.fields(kind)]


def as_toml(config: Config) -> str:
    """The whole configuration as TOML, for `bot4 config`."""
    lines: list[str] = []
    tables: list[str] = []
    for name, value in msgspec.to_builtins(config, enc_hook=str).items():
        if isinstance(value, dict):
            tables += ["", f"[{name}]", *(f"{key} = {_toml(item)}" for key, item in value.items() if item is not None)]
        elif value and isinstance(value, list | tuple) and isinstance(value[0], dict):
            for row in value:
                tables += [
                    "",
                    f"[[{name}]]",
                    *(f"{key} = {_toml(item)}" for key, item in row.items() if item is not None),
                ]
        else:
            lines.append(f"{name} = {_toml(value)}")
    return "\n".join([*lines, *tables]) + "\n"


def _key(key: str) -> str:
    """As TOML takes it: an instrument's name has a dot, so it is quoted."""
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _toml(key)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)} = {_toml(item)}" for key, item in value.items() if item is not None) + "}"
    if isinstance(value, str):
        return msgspec.json.encode(value).decode()
    return repr(value)

"""A model as the core takes it: content hash, order of features, flat arrays for a compiled evaluator."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from kernels.linear.cpu import Linear
    from kernels.mlp.cpu import Mlp
    from kernels.trees.cpu import Trees

KINDS = ("linear", "gbdt", "mlp")
Role = Literal["active", "shadow", "canary"]
INPUTS = 32
OUTPUTS = 4


def model_number(sha256: str) -> int:
    """The first 63 bits of a content hash: how a Kind.MODEL message names a model."""
    return int(sha256[:16], 16) >> 1


@dataclass(frozen=True)
class PreparedModel:
    """A loaded and checked model.

    features: names in the order of the model's inputs, at most 32. horizons_ms: one for each output, at most 4.
    score: of the first horizon, out of sample, as in the manifest.
    arrays: by name, what the evaluator of `kind` takes. kind "onnx" has none: it is evaluated by the inference process.
    """

    name: str
    kind: str
    sha256: str
    features: tuple[str, ...]
    horizons_ms: tuple[int, ...]
    arrays: dict[str, NDArray[Any]] = field(repr=False, default_factory=dict)
    role: Role = "active"
    score: dict[str, float | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 1 <= len(self.features) <= INPUTS:
            raise ValueError(f"{self.name}: a model has 1 to {INPUTS} features; this one has {len(self.features)}")
        if not 1 <= len(self.horizons_ms) <= OUTPUTS:
            raise ValueError(f"{self.name}: a model has 1 to {OUTPUTS} horizons; this one has {len(self.horizons_ms)}")
        if len(set(self.features)) != len(self.features):
            raise ValueError(f"{self.name}: a feature is named twice")

    @property
    def number(self) -> int:
        """The first 63 bits of the content hash."""
        return model_number(self.sha256)

    @property
    def compiled(self) -> bool:
        """Whether the core itself can evaluate it."""
        return self.kind in KINDS

    def columns(self, available: tuple[str, ...]) -> NDArray[np.int64]:
        """Where each input lies in a feature row with these names, shape (len(features),). Raises ValueError."""
        place = {name: i for i, name in enumerate(available)}
        missing = [name for name in self.features if name not in place]
        if missing:
            raise ValueError(f"model {self.name} wants features that this build has not: {', '.join(missing)}")
        return np.array([place[name] for name in self.features], dtype=np.int64)

    def evaluator(self) -> "Linear | Trees | Mlp":
        """The compiled evaluator over these arrays. Raises ValueError for arrays that do not fit the kind."""
        try:
            if self.kind == "linear":
                from kernels.linear.cpu import Linear

                return Linear(self.arrays["weights_io"], self.arrays["bias_o"], str(self.arrays["link"]))
            if self.kind == "gbdt":
                from kernels.trees.cpu import Trees

                return Trees(**{name: self.arrays[name] for name in Trees.ARRAYS})
            if self.kind == "mlp":
                from kernels.mlp.cpu import Mlp

                return Mlp.from_arrays(self.arrays)
        except KeyError as error:
            raise ValueError(f"model {self.name}: prepared array {error} is missing") from None
        raise ValueError(f"model {self.name}: kind {self.kind} has no compiled evaluator")

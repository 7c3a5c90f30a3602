"""What a choice among several clusterings was made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True)
class Tried:
    """A candidate that was tried on some images.

    clusters, noise: how many clusters it found, and how many images it left out of all of them. The three scores are
    scikit-learn's; None where the candidate took no part, or was the only one. total: the sum of the scaled scores, in
    [0, 3]. note: why it took no part, or what is worth knowing; mostly empty.
    """

    algorithm: str
    parameters: Mapping[str, float]
    clusters: int = 0
    noise: int = 0
    silhouette: float | None = None
    calinski_harabasz: float | None = None
    davies_bouldin: float | None = None
    total: float | None = None
    seconds: float = 0.0
    chosen: bool = False
    note: str = field(default="")

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))

    def __str__(self) -> str:
        """As a person would write it: kmeans with clusters 10."""
        values = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in self.parameters.items())
        return f"{self.algorithm} with {values}" if values else self.algorithm

"""What clustering by a deep model brings to the main flow: embeddings, and the grouper over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelimg.clusterimg.clock import Clock
from labelimg.clusterimg.deep.averaging import averaged
from labelimg.clusterimg.deep.candidates import Search
from labelimg.clusterimg.deep.extra import need
from labelimg.clusterimg.deep.grouper import Choosing, DeepGrouper
from labelimg.clusterimg.features import Features
from labelimg.clusterimg.results import Settings
from labelimg.clusterimg.trusting import is_recorded_by_us
from labelimg.errors import ModelError, OutputError, printable
from labelimg.files import StrPath

if TYPE_CHECKING:
    from labelimg.clusterimg.deep.embedding import Embedder

_PAIR_BYTES = {"hierarchy": 16, "dbscan": 16, "all": 16}  # that an algorithm may take for each pair of a batch
_MOST_AT_ONCE = {"hdbscan": 30_000, "hierarchy": 30_000, "dbscan": 30_000, "all": 30_000}  # more would take hours


class DeepEngine:
    """A model's embeddings and the best of several clusterings."""

    stage = "clustering"
    by_signatures = False
    needs_all = True

    def __init__(self, embedder: Embedder, choosing: Choosing) -> None:
        self._embedder = embedder
        self._choosing = choosing

    def prepare(self, paths: Sequence[str], *, threads: int) -> Embedder:  # noqa: ARG002 (others look at them)
        """The embedder, which works in so many threads where it works on the processor."""
        self._embedder.threads = threads
        return self._embedder

    def batch_limit(self, count: int, memory: int) -> int:
        """As many as the algorithm's own memory and the embeddings' allow."""
        algorithm = self._choosing.search.algorithm
        limit = min(count, max(2, memory // _EMBEDDING_BYTES))
        if algorithm in _PAIR_BYTES:
            limit = min(limit, max(2, int((memory / _PAIR_BYTES[algorithm]) ** 0.5)))
        return min(limit, _MOST_AT_ONCE.get(algorithm, limit))

    def amount(self, count: int) -> int:  # noqa: ARG002 (of other kinds it depends on the images)
        """Candidates, about."""
        return self._choosing.search.amount()

    def grouper(self, features: Features, *, threads: int, memory: int, clock: Clock) -> DeepGrouper:  # noqa: ARG002
        """The best clustering of the embeddings, averaged over their neighbours."""
        how = self._choosing
        if not how.neighbours:
            return DeepGrouper(features, features, how)
        with clock.stage("averaging") as told:
            means = averaged(features, how.neighbours, seed=how.seed, memory=memory // 4, progress=told)
        return DeepGrouper(features, means, how)

    def found(self) -> dict[str, Any]:
        """Nothing: what was chosen is told with what was tried."""
        return {}


_EMBEDDING_BYTES = 3 * 4 * 2048  # of an image while its batch is clustered: the embedding as it is and standardised


def as_parameters(embedder: Embedder, choosing: Choosing, *, model: str, weights: str | None) -> dict[str, object]:
    """What run.json keeps of a run, so that `labelimg merge` can go on with it."""
    search = {
        name: list(value) if isinstance(value, tuple) else value for name, value in asdict(choosing.search).items()
    }
    own = {name: value for name, value in asdict(choosing).items() if name != "search"}
    return {
        "model": model,
        "weights": weights,
        "size": embedder.model.size,
        "fingerprint": embedder.fingerprint,
        **search,
        **own,
    }


def engine_of_run(settings: Settings, out: StrPath) -> DeepEngine:
    """The engine of the run in `out`; raises ModelError where its model is not what it was.

    A model's file is read only where this user made the run on this machine; raises OutputError elsewhere.
    """
    need("torch", "sklearn")
    from labelimg.clusterimg.deep.embedding import Embedder
    from labelimg.clusterimg.deep.models import is_checkpoint, open_model

    own: Mapping[str, Any] = settings.parameters
    try:
        search = Search(**{name: _tuple(own[name]) for name in Search.__dataclass_fields__})
        rest = {name: own[name] for name in Choosing.__dataclass_fields__ if name != "search"}
        choosing = Choosing(search, **rest)
        model, weights, size, fingerprint = (own[name] for name in ("model", "weights", "size", "fingerprint"))
        if not isinstance(model, str):
            raise TypeError("model")
    except (KeyError, TypeError, ValueError) as error:
        raise OutputError(f"run.json does not say how the run was made: {error}") from error
    if (is_checkpoint(model) or weights is not None) and not is_recorded_by_us(out):
        text = f"was not made by you on this machine, and its model lies elsewhere, in {printable(weights or model)}"
        raise OutputError(f"{printable(out)} {text}: cluster the images again with it")
    embedder = Embedder(open_model(model, weights=weights, size=size))
    if embedder.fingerprint != fingerprint:
        raise ModelError(f"{Path(model).name} is not the model any more that the run was made with")
    return DeepEngine(embedder, choosing)


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value

"""Find a threshold in the similarities of a sample, when nobody says which.

Every threshold t gets a score from the clusters that it makes: Do they stay as they are if t moves a little? Between
the similarities of what belongs together and the rest there is a valley; where chains glue clusters together, one step
changes much. How many pairs that share a cluster are similar themselves? Of what chains glue together, most are not.
How many images are in clusters, and in how large ones? And how far is t from where so many unlike photographs are
expected to reach by chance? Where not all images are known, a threshold that chance would pass among all of them is
raised. How well this does is in docs/threshold.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from labelimg.clusterimg.features import Features
from labelimg.clusterimg.linkage import Linkage, link
from labelimg.clusterimg.methods.base import Method
from labelimg.clusterimg.nearest import nearest
from labelimg.clusterimg.threshold import Similarities, choose_rows, sample_similarities

_FEW = 3  # of fewer images nothing can be told
_LINKED = 1000  # images of whose most similar ones it is known how they join
_MEMORY = 1 << 30  # of their features
_STEP = 0.005  # between the thresholds that are tried
_TAIL = 10  # pairs of unlike images that are more similar than where the extrapolation begins
_LEAST = 20  # fewer pairs of unlike images than this tell nothing about all
_SLOPE = 0.002
_ALLOWED = 0.1  # pairs that chance may put above the threshold
_ABOVE_BULK = 0.5  # pairs that are taken to reach beyond what the similarities below the median tell
_GAP = 0.31  # the widest gap that a threshold of the default method leaves above it; others are measured by it
_NEAR, _FURTHER, _FAR = 0.01, 0.04, 0.08  # steps of the threshold that clusters should not change by
_SMOOTH = 10  # of so few pairs or joins a change does not count
_EQUAL = 2.0  # by how much of the score a threshold below the method's own must be better
_GLUED = 0.3  # the share of images in one cluster from which on it is taken for glued together

# What weighs how much; docs/threshold.md says how it was fitted.
_WEIGHTS = {
    "steady": 6.01,
    "joined below": -29.2,
    "joined above": 18.3,
    "changed below": -12.2,
    "changed above": -9.15,
    "changed far above": -4.21,
    "loose": -3.05,
    "largest": -15.0,
    "glued": -19.3,
    "joined": 12.8,
    "size": 15.7,
    "left": -3.26,
    "under": -18.1,
    "over": -19.7,
    "far over": 18.9,
}


@dataclass(frozen=True)
class Suggestion:
    """A threshold, why it is that one, in words, and of how many images the sample was that it comes from."""

    threshold: float
    reason: str
    sample: int


def sample_for(
    features: Features,
    method: Method,
    *,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Similarities:
    """The similarities of a sample of the features that is as large as the method can look at in a moment."""
    rows = choose_rows(len(features), _LINKED)
    if len(rows) <= method.looked_at:
        return sample_similarities(features, method, rows, threads=threads, progress=progress)
    found = nearest(features, method, rows, memory=_MEMORY, threads=threads)
    few = rows[choose_rows(len(rows), method.looked_at)]
    sample = sample_similarities(features, method, few, threads=threads, progress=progress)
    return replace(sample, nearest=found)


def suggest(similarities: Similarities, method: Method) -> Suggestion:
    """The threshold for the images that the sample was taken from.

    It is the method's own where a lower one is hardly better, where that gives the same clusters, or where there are
    too few images to tell. It depends on the similarities and the number of images alone.
    """
    s, default = len(similarities), method.default_threshold
    if s < _FEW:
        return Suggestion(default, f"the method's own; {_images(s)}: too few to tell another", s)
    # Where 1 - similarity is a square its root is what has a distribution of a plain shape, and steps of one size.
    values = _root(similarities.values) if method.squared else similarities.values
    places = np.arange(s)
    if similarities.nearest is not None:
        places = np.searchsorted(similarities.nearest.rows, similarities.rows)
    own = _expected_reach(method, similarities.count)
    at = _thresholds(values, own)
    # Joins below what any score looks at would not change it.
    linkage = _linkage(similarities, values, places, float(at[0]) - _FAR * (1 - own) / _GAP, method.squared)
    linked = linkage.count
    score = _score(linkage, values, places, at, own)
    chosen = float(at[np.argmax(score)])
    default_at = float(_root(np.array([default]))[0]) if method.squared else default
    nearly = int(np.argmin(np.abs(at - default_at)))
    if at[0] <= chosen < default_at and score[nearly] >= score.max() - _EQUAL:
        chosen = default_at
    joins = int(linkage.joins(np.array([chosen]))[0])
    reach = _reach(values, similarities, linkage.labels(joins)[places])
    if reach is not None and similarities.count > linked:
        chosen = max(chosen, min(reach, 1 - _STEP))
    threshold, told = (_unrooted(chosen), _unrooted(reach or 0.0)) if method.squared else (chosen, reach or 0.0)
    if reach is None:
        reason = "all are alike" if joins == linked - 1 else "too few are unlike to tell what chance does"
    elif reach <= chosen:
        reason = f"{_images(similarities.count)} that are unlike reach {told:.2f} by chance"
    else:
        reason = f"clusters change least here, though chance may reach {told:.2f} among {_images(similarities.count)}"
    same = int(linkage.joins(np.array([default_at]))[0]) == joins and default_at > float(at[0])
    if same and (similarities.count == linked or (reach is not None and reach <= default_at)):
        return Suggestion(default, f"the method's own; {reason}", linked)
    return Suggestion(round(threshold, 3), reason, linked)


def _images(count: int) -> str:
    return f"{count:,} image{'s' * (count != 1)}"


def _root(similarity: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 - the root of 1 - similarity. Of SSIM it is a metric: Brunet, Vrscay, Wang, 2012."""
    return 1 - np.sqrt(np.maximum(0.0, 1 - similarity))


def _unrooted(similarity: float) -> float:
    return 1 - (1 - similarity) ** 2


def _expected_reach(method: Method, count: int) -> float:
    """How similar one pair of so many unlike photographs is expected to be, as they usually are."""
    middle, deviation = method.unlike
    return min(middle + deviation * _deviations(min(0.5, 1 / (count * (count - 1)))), 0.95)


def _thresholds(values: NDArray[np.float64], own: float) -> NDArray[np.float64]:
    lowest = max(0.0, min(own - 0.1 * (1 - own) / _GAP, _bulk_reach(values)))
    at = np.arange(np.ceil(lowest / _STEP), round(1 / _STEP), dtype=np.float64) * _STEP
    return at if len(at) else np.array([1 - _STEP])


def _linkage(
    similarities: Similarities, values: NDArray[np.float64], places: NDArray[np.int64], lowest: float, squared: bool
) -> Linkage:
    """How images join above the lowest threshold: those of the larger sample where there is one."""
    above = np.flatnonzero(values > lowest)
    i, j = similarities.pair(above)
    known = similarities.nearest
    if known is None:
        return link(len(similarities), i, j, values[above])
    near = _root(known.pairs.similarity) if squared else known.pairs.similarity
    i, j = (np.r_[of, places[ends]].astype(np.int32) for of, ends in ((known.pairs.i, i), (known.pairs.j, j)))
    return link(len(known.rows), i, j, np.r_[near, values[above]])


def _score(
    linkage: Linkage,
    values: NDArray[np.float64],
    places: NDArray[np.int64],
    at: NDArray[np.float64],
    own: float,
) -> NDArray[np.float64]:
    """How good each of m thresholds seems, (m,). values are of the pairs of the images at `places`."""
    s, unit = linkage.count, (1 - own) / _GAP
    joins, lower, higher = (linkage.joins(at + step) for step in (0.0, -_FURTHER * unit, _FURTHER * unit))
    pairs = linkage.within.astype(np.float64)
    similar = len(values) - np.searchsorted(np.sort(values), at, side="right")
    sizes = _sizes(linkage, joins)
    together = np.array([_together(linkage.labels(number)[places]) for number in joins.tolist()])
    raised, lowered, raised_far = (
        (_sizes(linkage, linkage.joins(at + step * unit)) != sizes).mean(axis=1) for step in (_NEAR, -_NEAR, _FAR)
    )
    over, under = np.maximum(at - own, 0) / (1 - own), np.maximum(own - at, 0) / (1 - own)
    largest = linkage.largest[joins] / s
    left = linkage.joins(np.array([_bulk_reach(values)])) - joins
    terms = {
        # F1 between the clusters a step above and a step below, and the clusters that are joined and made there.
        "steady": np.log((2 * pairs[higher] + _SMOOTH) / (pairs[higher] + pairs[lower] + _SMOOTH)),
        "joined below": np.log1p((lower - joins) / (s - joins + _SMOOTH)),
        "joined above": np.log1p((joins - higher) / (s - higher + _SMOOTH)),
        # The share of images whose cluster is another one a step away.
        "changed below": lowered,
        "changed above": raised,
        "changed far above": raised_far,
        "loose": np.log((np.maximum(together, similar) + _SMOOTH) / (similar + _SMOOTH)),
        "largest": largest,
        "glued": np.maximum(largest - _GLUED, 0),
        "joined": joins / s,
        "size": np.log(sizes).mean(axis=1) / np.log(s),
        "left": np.maximum(left, 0) / s,
        "under": under,
        "over": over,
        "far over": over**2,
    }
    score: NDArray[np.float64] = np.sum([_WEIGHTS[name] * term for name, term in terms.items()], axis=0)
    return score


def _sizes(linkage: Linkage, joins: NDArray[np.int64]) -> NDArray[np.int64]:
    """How large each image's cluster is after so many joins, (m, count)."""
    distinct, place = np.unique(joins, return_inverse=True)
    sizes = np.empty((len(distinct), linkage.count), np.int64)
    for k, number in enumerate(distinct.tolist()):
        labels = linkage.labels(number)
        sizes[k] = np.bincount(labels, minlength=linkage.count)[labels]
    return sizes[place]


def _together(labels: NDArray[np.int32]) -> int:
    """How many pairs have the same label."""
    counts = np.bincount(labels).astype(np.int64)
    return int((counts * (counts - 1) // 2).sum())


def _bulk_reach(values: NDArray[np.float64]) -> float:
    """How far the similarities would reach if they fell off above their median as they do below it."""
    low, middle = np.quantile(values, [0.1, 0.5])
    return float(middle + (middle - low) / 1.2816 * _deviations(min(0.25, _ABOVE_BULK / len(values))))


def _reach(values: NDArray[np.float64], similarities: Similarities, labels: NDArray[np.int32]) -> float | None:
    """What chance reaches at most among all images; None where too few pairs share no cluster.

    Such pairs are unlike. Where their greatest similarities lie is laid over where those of a normal distribution
    would, and the line through them goes on (a Q-Q plot) to as many pairs as all images have.
    """
    s, n = len(similarities), similarities.count
    i, j = similarities.pair(np.arange(len(values)))
    unlike = values[labels[i] != labels[j]]
    if len(unlike) < _LEAST:
        return None
    tail = min(_TAIL / len(unlike), 0.25)
    x1, x2 = np.quantile(unlike, [1 - sqrt(tail), 1 - tail])
    z1, z2 = _deviations(sqrt(tail)), _deviations(tail)
    every = len(unlike) * n * (n - 1) / (s * (s - 1))
    slope = max(float(x2 - x1) / (z2 - z1), _SLOPE)
    return float(x2) + slope * max(0.0, _deviations(min(_ALLOWED / every, tail)) - z2)


def _deviations(share: float) -> float:
    """How many standard deviations above the mean a share of a normal distribution begins."""
    return -NormalDist().inv_cdf(share)

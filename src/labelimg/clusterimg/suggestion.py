"""Find a threshold in the similarities of a sample, when nobody says which.

Of every threshold t is asked: How many pairs of unlike images does chance make more similar than t? The pairs that
share no cluster at t are unlike, if t is right, and the greatest of their similarities are extrapolated to all images,
whose pairs grow with the square of their number. The images of two clusters are no independent draws: where it explains
more, two clusters count once. Do the clusters stay as they are if t moves a little? Between the similarities of what
belongs together and the rest there is a valley; where chains glue clusters together, one step changes much. Are pairs
that share a cluster more alike than others? Of what chains glue together, most are not. And would many images join
clusters at a lower threshold, where chance makes no pairs yet? How well this does is in
docs/threshold.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import erfc, log, log10, pi, sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from labelimg.clusterimg.features import Features
from labelimg.clusterimg.linkage import Linkage, link
from labelimg.clusterimg.methods.base import Method
from labelimg.clusterimg.threshold import Similarities, choose_rows, sample_similarities

_FEW = 10  # of fewer images nothing can be told
_SOME = 100  # of fewer images a gap can be told, but where there is none they do not tell another threshold
_UNLIKE = 0.02  # the share of pairs that must be unlike by the method's own threshold for anything to be told
_STEP = 0.005
_BINS = 2048
_TAIL = 10  # pairs of unlike images that are more similar than where the extrapolation begins
_LEAST = 20  # fewer pairs of unlike images than this tell nothing about all
_GAP = 0.31  # the widest gap that a threshold of the default method leaves above it; others are measured by it

# What the questions weigh against each other; how they were fitted is in docs/threshold.md.
_ALLOWED = 0.1  # pairs that chance may put above the threshold
_STEADY = 0.02  # the step that clusters should not change by
_SMOOTH = 10  # of so few pairs or joins a change does not count
_CHANCE, _CHANGE, _JOINS, _LOOSE, _MIXED, _LOWER, _LEFT = 0.28, 1.45, 8.0, 1.4, 0.3, 2.0, 6.0
_BEST_CHANCE, _WORST_CHANCE = -0.75, 0.47
_PURE = 0.03
_MARGIN = 0.25
_SLOPE = 0.002


@dataclass(frozen=True)
class Suggestion:
    """A threshold, why it is that one, in words, and of how many images the sample was that it comes from."""

    threshold: float
    reason: str
    sample: int


@dataclass(frozen=True, eq=False)
class _Evidence:
    """What is known of each of m thresholds; arrays of (m,) float64."""

    thresholds: NDArray[np.float64]
    chance: NDArray[np.float64]  # log10 of the pairs that chance puts above it / the pairs allowed
    reach: NDArray[np.float64]  # how similar unlike images are expected to be at most; nan where nothing tells
    score: NDArray[np.float64]


def sample_for(
    features: Features,
    method: Method,
    *,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Similarities:
    """The similarities of a sample of the features that is as large as the method can look at in a moment."""
    rows = choose_rows(len(features), method.looked_at)
    return sample_similarities(features, method, rows, threads=threads, progress=progress)


def suggest(similarities: Similarities, method: Method) -> Suggestion:
    """The threshold for the images that the sample was taken from.

    It is the method's own where that lies in the gap that the similarities have, or where there are too few images to
    tell; otherwise it is put into the gap. It depends on the similarities and the number of images alone.
    """
    s, default = len(similarities), method.default_threshold
    if s < _FEW:
        return Suggestion(default, f"the method's own; {_images(s)}: too few to tell another", s)
    if np.quantile(similarities.values, _UNLIKE) > default:
        return Suggestion(default, f"the method's own; {_images(s)}, nearly all alike: none to tell unlike ones by", s)
    # Where 1 - similarity is a square its root is what has a distribution of a plain shape, and steps of one size.
    shape = _root if method.squared else np.asarray
    back = _unrooted if method.squared else float
    own = float(shape(np.array([default]))[0])
    evidence = _evidence(shape(similarities.values), similarities, own)
    best = int(np.argmax(evidence.score))
    top, reach = float(evidence.thresholds[best]), float(evidence.reach[best])
    if np.isnan(reach):
        return Suggestion(round(min(default, back(top)), 3), "most images are alike, and nothing tells them apart", s)
    low = min(reach + _MARGIN * (top - reach), top)
    threshold = default if low <= own <= top else round(back(low if own < low else top), 3)
    unlike = f"{_images(similarities.count)} that are unlike reach {back(min(reach, 1.0)):.2f} by chance"
    steady = f"clusters are steady up to {back(top):.2f}"
    if evidence.chance[best] > 0:
        if s < _SOME:
            reason = f"the method's own; {_images(s)}, and no clear gap between like and unlike"
            return Suggestion(default, reason, s)
        return Suggestion(threshold, "there is no clear gap between like and unlike; clusters change least here", s)
    if threshold == default:
        return Suggestion(threshold, f"the method's own; {unlike}, {steady}", s)
    return Suggestion(threshold, f"{unlike}, {steady}", s)


def _images(count: int) -> str:
    return f"{count:,} image{'s' * (count != 1)}"


def _root(similarity: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 - the root of 1 - similarity. Of SSIM it is a metric: Brunet, Vrscay, Wang, 2012."""
    return 1 - np.sqrt(np.maximum(0.0, 1 - similarity))


def _unrooted(similarity: float) -> float:
    return 1 - (1 - similarity) ** 2


def _evidence(values: NDArray[np.float64], similarities: Similarities, default: float) -> _Evidence:
    s = len(similarities)
    step = _STEADY * (1 - default) / _GAP
    bulk = _bulk_reach(values)
    lowest = max(0.0, min(default, bulk))
    at = np.arange(np.ceil(lowest / _STEP), round(1 / _STEP), dtype=np.float64) * _STEP
    if not len(at):
        at = np.array([1 - _STEP])
    above = np.flatnonzero(values > float(at[0]) - step)
    linkage = link(s, *similarities.pair(above), values[above])
    bins = np.linspace(float(values.min()), 1.0 + 1e-9, _BINS + 1)
    place = np.clip(np.searchsorted(bins, values, side="right") - 1, 0, _BINS - 1).astype(np.int16)
    total = np.bincount(place, minlength=_BINS)
    within, nearest = _spread(linkage, _square(place, s), at)
    times = similarities.count * (similarities.count - 1) / (s * (s - 1))
    chance, reach = _chance(total - within, bins, at, times)
    chance_once, reach_once = _chance(nearest, bins, at, times)
    once = np.isnan(chance) | (chance_once < chance)
    chance, reach = np.where(once, chance_once, chance), np.where(once, reach_once, reach)

    joins, lower, higher = (linkage.joins(at + shift) for shift in (0.0, -step, step))
    pairs = linkage.within.astype(np.float64)
    steady = np.log((2 * pairs[higher] + _SMOOTH) / (pairs[higher] + pairs[lower] + _SMOOTH))
    left = (np.maximum(linkage.joins(np.array([bulk])) - joins, 0)) / s
    below = np.log1p((lower - joins) / (s - joins + _SMOOTH))
    similar = len(values) - np.searchsorted(np.sort(values), at, side="right")
    loose = np.log((np.maximum(pairs[joins], similar) + _SMOOTH) / (similar + _SMOOTH))
    all_alike = float(np.median(values)) > default
    unknown = np.isnan(reach)
    chance = np.where(unknown, 2 * _WORST_CHANCE, chance)
    mixed = np.log1p((1 - _purity(total, within, 0.9 if all_alike else 0.5)) / _PURE)
    score = (
        -_CHANCE * np.clip(chance, _BEST_CHANCE, _WORST_CHANCE + unknown * _WORST_CHANCE)
        + _CHANGE * steady
        - _JOINS * below
        - _LOOSE * loose
        - _MIXED * mixed
        - _LEFT * left
        - _LOWER * np.maximum(default - at, 0) / (1 - default)
    )
    return _Evidence(at, chance, reach, score)


def _bulk_reach(values: NDArray[np.float64]) -> float:
    """How far the similarities would reach if they fell off above their median as they do below it."""
    low, middle = np.quantile(values, [0.1, 0.5])
    return float(middle + (middle - low) / 1.2816 * _deviations(min(0.25, 0.5 / len(values))))


def _square(place: NDArray[np.int16], s: int) -> NDArray[np.int16]:
    """Of each pair of images its value, as a symmetric (s, s) array."""
    square = np.zeros((s, s), np.int16)
    start = 0
    for row in range(s - 1):
        end = start + s - 1 - row
        square[row, row + 1 :] = square[row + 1 :, row] = place[start:end]
        start = end
    return square


def _spread(
    linkage: Linkage, square: NDArray[np.int16], at: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How similarities spread over the bins, at each threshold, two arrays of (m, bins).

    Those of the pairs that share a cluster, and of two clusters the greatest between them.
    """
    within, hidden = np.zeros((2, len(at) + 1, _BINS), np.int64)
    nearest, left = square.copy(), np.ones(linkage.count, np.bool_)
    members = {row: np.array([row]) for row in range(linkage.count)}
    root = list(range(linkage.count))
    reached = np.searchsorted(at, linkage.level, side="left").tolist()  # the thresholds below the level of the join
    for k, i, j in zip(reached, linkage.i.tolist(), linkage.j.tolist(), strict=True):
        if not k:
            break
        a, b = root[i], root[j]
        if len(members[a]) < len(members[b]):
            a, b = b, a
        small = members.pop(b)
        within[k] += _counted(square[small[:, None], members[a]].ravel())
        members[a] = np.concatenate([members[a], small])
        for row in small.tolist():
            root[row] = a
        # To every other cluster the greater similarity of the two counts from here on, the lesser no longer.
        left[[a, b]] = False
        others = np.flatnonzero(left)
        one, two = nearest[a, others], nearest[b, others]
        hidden[k] += _counted(np.append(np.minimum(one, two), nearest[a, b]))
        nearest[a, others] = nearest[others, a] = np.maximum(one, two)
        left[a] = True
    within, hidden = (each[::-1].cumsum(axis=0)[::-1] for each in (within, hidden))
    every = np.bincount(square[np.triu_indices(linkage.count, 1)], minlength=_BINS)
    return within[1:], every - hidden[1:]


def _counted(block: NDArray[np.int16]) -> NDArray[np.int64]:
    if len(block) > _BINS:
        return np.bincount(block, minlength=_BINS)
    counts = np.zeros(_BINS, np.int64)
    np.add.at(counts, block, 1)
    return counts


def _purity(total: NDArray[np.int64], within: NDArray[np.int64], of_one: float) -> NDArray[np.float64]:
    """How probable it is that two images of a cluster are more alike than two of different ones, (m,).

    Source: Mann, Whitney, 1947. Without clusters it is 1, of_one where all images are one cluster.
    """
    rank = (np.cumsum(total) - total / 2) / total.sum()
    pairs = within.sum(axis=1)
    share = pairs / total.sum()
    mean = within @ rank / np.maximum(pairs, 1)
    purity: NDArray[np.float64] = np.where(share < 1, (mean - share / 2) / np.maximum(1 - share, 1e-12), of_one)
    return np.where(pairs == 0, 1.0, purity)


def _chance(
    between: NDArray[np.int64], bins: NDArray[np.float64], at: NDArray[np.float64], times: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What chance does at each threshold: log10 of the pairs that it puts above / _ALLOWED; what it reaches at most.

    The pairs between clusters are unlike. Where their greatest similarities lie is laid over where those of a normal
    distribution would, and the line through them goes on (a Q-Q plot) to `times` as many pairs. nan where the pairs are
    too few.
    """
    chance, reach = np.full(len(at), np.nan), np.full(len(at), np.nan)
    for k, counts in enumerate(between):
        pairs = int(counts.sum())
        if pairs < _LEAST:
            continue
        tail = min(_TAIL / pairs, 0.25)
        x1, x2 = (_upper_quantile(counts, bins, share * pairs) for share in (sqrt(tail), tail))
        z1, z2 = _deviations(sqrt(tail)), _deviations(tail)
        slope = max((x2 - x1) / (z2 - z1), _SLOPE)
        reach[k] = x2 + slope * max(0.0, _deviations(min(_ALLOWED / (pairs * times), tail)) - z2)
        chance[k] = log10(pairs * times / _ALLOWED) + _log10_above(z2 + (float(at[k]) - x2) / slope)
    return chance, reach


def _upper_quantile(counts: NDArray[np.int64], bins: NDArray[np.float64], number: float) -> float:
    """What `number` of the counted values are greater than, interpolated within the bin."""
    above = np.cumsum(counts[::-1])
    k = int(np.searchsorted(above, number))
    before = float(above[k - 1]) if k else 0.0
    top = len(counts) - k
    return float(bins[top] - (number - before) / float(counts[top - 1]) * (bins[top] - bins[top - 1]))


def _deviations(share: float) -> float:
    """How many standard deviations above the mean a share of a normal distribution begins."""
    return -NormalDist().inv_cdf(share)


def _log10_above(deviations: float) -> float:
    """log10 of the share of a normal distribution that is more standard deviations above the mean than this."""
    if deviations < 30:
        return log10(erfc(deviations / sqrt(2)) / 2)
    return -(deviations**2) / 2 / log(10) - log10(deviations * sqrt(2 * pi))

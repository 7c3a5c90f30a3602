"""Slow, obvious ways to get what the package computes, by other libraries' own calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Edges = list[tuple[int, int]]


def ssim(a: Pixels, b: Pixels) -> float:
    """scikit-image's, 7x7 uniform window, data range 255; 0 for images it cannot compare."""
    from skimage.metrics import structural_similarity

    if a.shape != b.shape or min(a.shape) < 7:
        return 0.0
    return float(structural_similarity(a, b, data_range=255))


def template_matching(a: Pixels, b: Pixels) -> float:
    """1 - OpenCV's smallest TM_SQDIFF_NORMED of the smaller image in the larger; 0 where neither fits."""
    if a.shape[0] > b.shape[0] or a.shape[1] > b.shape[1]:
        a, b = b, a
    if a.shape[0] > b.shape[0] or a.shape[1] > b.shape[1]:
        return 0.0
    return 1 - float(cv2.matchTemplate(b, a, cv2.TM_SQDIFF_NORMED).min())


def orb(good_bits: int) -> Callable[[Pixels, Pixels], float]:
    """The share of the descriptors of both images whose brute-force match differs in at most good_bits bits."""
    matcher = cv2.BFMatcher(cv2.NORM_HAMMING)

    def similarity(a: Pixels, b: Pixels) -> float:
        if len(a) == 0 or len(b) == 0:
            return 0.0
        matches = [*matcher.match(a, b), *matcher.match(b, a)]
        return sum(match.distance <= good_bits for match in matches) / len(matches)

    return similarity


def phash_bits(pixels: Pixels, hash_size: int, frequency_factor: int = 4) -> NDArray[np.bool_]:
    """ImageHash's own phash of a grey image, (hash_size, hash_size)."""
    import imagehash
    from PIL import Image

    return np.asarray(imagehash.phash(Image.fromarray(pixels), hash_size, frequency_factor).hash)


def equal_bits(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    return 1 - np.count_nonzero(a != b) / a.size


def minhash(cells: Iterable[int], permutations: int) -> Any:
    """datasketch's MinHash of a set of cells, each as four bytes, the least first."""
    from datasketch import MinHash

    sketch = MinHash(num_perm=permutations, scheme="affine32")
    for cell in cells:
        sketch.update(cell.to_bytes(4, "little"))
    return sketch


def similar(
    things: Sequence[Any], similarity: Callable[[Any, Any], float], threshold: float
) -> dict[tuple[int, int], float]:
    """All pairs (i, j), i < j, that are more similar than the threshold; fails where one is too near it to tell."""
    every = {(i, j): similarity(things[i], things[j]) for i, j in combinations(range(len(things)), 2)}
    near = {pair: value for pair, value in every.items() if 0 < abs(value - threshold) < 2e-6}
    assert not near, f"choose another threshold than {threshold}: {near}"
    return {pair: value for pair, value in every.items() if value > threshold}


def chains(n: int, edges: Iterable[tuple[int, int]]) -> list[list[int]]:
    """The connected components by SciPy: rows of each ascending, in the order of their first."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = np.asarray(list(edges), int).reshape(-1, 2)
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    _, label = connected_components(graph, directed=False)
    return sorted([row for row in range(n) if label[row] == each] for each in set(label.tolist()))


def kruskal(n: int, edges: Iterable[tuple[int, int]]) -> Edges:
    """The edges that join two trees when all are gone through in order."""
    tree = list(range(n))
    kept = []
    for i, j in sorted(edges):
        if tree[i] != tree[j]:
            kept.append((i, j))
            old, new = tree[j], tree[i]
            tree = [new if each == old else each for each in tree]
    return kept

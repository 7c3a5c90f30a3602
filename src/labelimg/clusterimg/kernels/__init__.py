"""The compiled inner loops: numba compiles the modules in here, `labelimg.compiled` loads what it made.

Every search looks at the pairs (i, j), i < j, of the rows `start <= i < stop` and the columns `column <= j < until`.
It leaves out pairs whose `labels` are equal, writes what it finds into the three output arrays, and returns
`(count, resume)`: how many pairs it wrote and the first column it has not looked at. That is before `until` only when
the output might not take one more round: the caller empties it and calls again.

None depends on what another thread does: the same rows give the same pairs.
"""

from __future__ import annotations

from labelimg.compiled import Compiled


def _compiled(module: str, name: str) -> Compiled:
    return Compiled(f"{__name__}.{module}", name)


join = _compiled("groups", "join")
roots = _compiled("groups", "roots")
hamming_pairs = _compiled("hashes", "hamming_pairs")
bucket_pairs = _compiled("hashes", "bucket_pairs")
equal_pairs = _compiled("hashes", "equal_pairs")
ssim_ranges = _compiled("ssim", "ssim_ranges")
ssim_pairs = _compiled("ssim", "ssim_pairs")
norms_and_sums = _compiled("template_matching", "norms_and_sums")
sqdiff_pairs = _compiled("template_matching", "sqdiff_pairs")
template_pairs = _compiled("template_matching", "template_pairs")
match_pairs = _compiled("orb", "match_pairs")

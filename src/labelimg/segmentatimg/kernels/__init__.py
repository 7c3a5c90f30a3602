"""The compiled inner loops of segmenting and painting; nothing else of the tool is compiled.

Numba compiles the modules in here, `labelimg.compiled` loads what it made. `loops.py` and `runs.py` give them room.
"""

from __future__ import annotations

from labelimg.compiled import Compiled


def _compiled(module: str, name: str) -> Compiled:
    return Compiled(f"{__name__}.{module}", name)


connected = _compiled("regions", "connected")
sums = _compiled("regions", "sums")
places = _compiled("regions", "places")
neighbours = _compiled("regions", "neighbours")
absorb = _compiled("regions", "absorb")
renamed = _compiled("regions", "renamed")
grow = _compiled("growth", "grow")
enlarged = _compiled("growth", "enlarged")
lowest_places = _compiled("growth", "lowest_places")
second_owners = _compiled("growth", "second_owners")
merge_order = _compiled("merging", "merge_order")
cut = _compiled("merging", "cut")
count_runs = _compiled("painting", "count_runs")
runs_of = _compiled("painting", "runs_of")
connect = _compiled("painting", "connect")
group = _compiled("painting", "group")
without = _compiled("painting", "without")
put = _compiled("painting", "put")
put_numbers = _compiled("painting", "put_numbers")
only_value = _compiled("painting", "only_value")
count_changes = _compiled("painting", "count_changes")
changes = _compiled("painting", "changes")
bounds = _compiled("painting", "bounds")
follow = _compiled("painting", "follow")
compose = _compiled("composing", "compose")
compose_close = _compiled("composing", "compose_close")
mark_segment = _compiled("composing", "mark_segment")

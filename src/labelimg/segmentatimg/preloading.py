"""What the server that workers are forked from loads: importing this module loads the loops of segmenting.

On the first use of all it leaves them to the workers, which compile them side by side.
"""

from __future__ import annotations

from labelimg.segmentatimg.warm import is_first_use, warm_up_segmenting

if not is_first_use():
    warm_up_segmenting()

"""The inner loops of segmenting and painting, compiled by numba; nothing else of the tool is compiled."""

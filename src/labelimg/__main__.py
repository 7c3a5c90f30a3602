"""`python -m labelimg`."""

from labelimg.cli import run

run()

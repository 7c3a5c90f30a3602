"""`python -m labelimg`."""

from labelimg.cli import main

main()

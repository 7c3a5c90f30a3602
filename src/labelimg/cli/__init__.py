"""The command line: each command parses, calls one function and prints."""

from __future__ import annotations

import os
import signal
import sys

import typer

from labelimg.cli import cache
from labelimg.cli.cluster import cluster
from labelimg.cli.merge import merge
from labelimg.errors import LabelimgError

app = typer.Typer(
    name="labelimg",
    help="Sort a folder of mixed images into folders of similar ones.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(cluster)
app.command()(merge)
app.add_typer(cache.app, name="cache")


@app.callback(invoke_without_command=True)
def root(version: bool = typer.Option(False, "--version", help="Show the version and exit.")) -> None:
    """Sort a folder of mixed images into folders of similar ones."""
    if version:
        from importlib.metadata import version as version_of

        typer.echo(f"labelimg {version_of('labelimg-suite')}")
        raise typer.Exit


def main() -> None:
    """Run the command line; errors of ours become one line on stderr and the exit status."""
    try:
        app()
    except LabelimgError as error:
        fail(str(error), error.exit_status)
    except KeyboardInterrupt:
        fail("interrupted; nothing is half-written, start the command again to do it", 128 + signal.SIGINT)
    except BrokenPipeError:
        # Who read our output has gone; python must not complain about it when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def fail(text: str, status: int) -> None:
    """Print one line on stderr and leave with the status, without waiting for threads that still compare."""
    sys.stderr.write(f"labelimg: {text}\n")
    sys.stderr.flush()
    os._exit(status) if status > 128 else sys.exit(status)

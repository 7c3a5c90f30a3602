"""The command line: each command parses, calls one function and prints."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from labelimg.cli import cache
from labelimg.cli.cluster import cluster
from labelimg.cli.deep import deep
from labelimg.cli.labels import labels
from labelimg.cli.masks import masks
from labelimg.cli.merge import merge
from labelimg.cli.preview import preview
from labelimg.cli.segment import segment
from labelimg.cli.stamp import stamp
from labelimg.cli.train import train
from labelimg.cli.undo import undo
from labelimg.errors import LabelimgError


class _Commands(TyperGroup):
    """The list of commands is shown plainly, for loading rich would take longer than all the rest of it."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{**settings, "rich_markup_mode": None})

    def main(self, *arguments: Any, **settings: Any) -> Any:
        """Run the command line; what is wrong with its words is said in one line, as other errors are."""
        try:
            status = super().main(*arguments, **{**settings, "standalone_mode": False})
        except _WrongWords as error:
            if type(error).__name__ == "NoArgsIsHelpError":
                error.show()
                sys.exit(error.exit_code)
            fail(" ".join(error.format_message().split()), error.exit_code)
        sys.exit(status if isinstance(status, int) else 0)

    def invoke(self, ctx: Any) -> Any:
        """Run a command; Ctrl-C ends it with one line that says how to go on."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            fail(
                "interrupted; if images were being put into RESULT, labelimg undo RESULT takes them back", _INTERRUPTED
            )


# What all complaints about the words have in common, which typer keeps to itself: ClickException.
_WrongWords: Any = typer.BadParameter.__mro__[2]
_INTERRUPTED = 128 + signal.SIGINT

app = typer.Typer(
    name="labelimg",
    cls=_Commands,
    help="Sort a folder of mixed images into folders of similar ones.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(short_help="Sort images into folders of similar ones.")(cluster)
app.command(short_help="Merge the batch folders of a --no-merge run.")(merge)
app.command(short_help="Take a run back.")(undo)
app.command(short_help="Cut images into segments, without windows.")(labels)
app.command(short_help="Show what each segmenting method makes of an image.")(preview)
app.command(short_help="List which images have masks.")(masks)
app.command(short_help="Paint templates wherever they are found.")(stamp)
app.command(short_help="Cut images into segments and paint them, in windows.")(segment)
app.command(short_help="Sort images into folders of kinds of thing, by a deep model.")(deep)
app.command(short_help="Train an autoencoder for labelimg deep.")(train)
app.add_typer(cache.app, name="cache")


@app.callback(invoke_without_command=True)
def root(version: bool = typer.Option(False, "--version", help="Show the version and exit.")) -> None:
    """Sort a folder of mixed images into folders of similar ones."""
    if version:
        from importlib.metadata import version as version_of

        typer.echo(f"labelimg {version_of('labelimg-suite')}")
        raise typer.Exit


def run() -> NoReturn:
    """Run the command line as a program of its own.

    Taking the interpreter down module by module would take half a second, and after Ctrl-C there may be threads at
    work that nobody waits for. What has to be closed is closed by then.
    """
    try:
        main()
    except SystemExit as leaving:
        with suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None))


def main() -> NoReturn:
    """Run the command line; errors of ours become one line on stderr and the exit status."""
    try:
        app()
        sys.stdout.flush()
    except LabelimgError as error:
        fail(str(error), error.exit_status)
    except BrokenPipeError:
        # Who read our output has gone; python must not complain about it when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    sys.exit(0)


def fail(text: str, status: int) -> NoReturn:
    """Print one line on stderr and leave with the status."""
    sys.stderr.write(f"labelimg: {text}\n")
    sys.stderr.flush()
    sys.exit(status)

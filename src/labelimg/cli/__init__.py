"""The command line: each command parses, calls one function and prints."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from io import TextIOWrapper
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from labelimg.errors import LabelimgError, printable


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
            with patience(lambda: _HOW_TO_GO_ON.get(ctx.invoked_subcommand)):
                return super().invoke(ctx)
        except KeyboardInterrupt:
            fail(_HOW_TO_GO_ON.get(ctx.invoked_subcommand, "interrupted"), _INTERRUPTED)


@contextmanager
def patience(how_to_go_on: Callable[[], str | None]) -> Iterator[None]:
    """Within it Ctrl-C ends the program within a second, also where something goes on that cannot be stopped.

    Not where there is no way to go on, as in windows. Whatever runs may be killed at any instant and loses nothing, so
    what has not ended by then is not waited for. Python's own handler tells the main thread, which may be busy in a
    library; a thread hears of it through a pipe.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    here, there = os.pipe()
    os.set_blocking(there, False)
    over = threading.Event()

    def wait() -> None:
        while signals := os.read(here, 16):
            if signal.SIGINT in signals and not over.wait(_PATIENCE_S) and (text := how_to_go_on()):
                shown = "\x1b[?25h\r\n" if sys.stderr.isatty() else ""  # the progress bar had hidden the cursor
                os.write(2, f"{shown}labelimg: {text}\n".encode())
                os._exit(_INTERRUPTED)
        os.close(here)

    before = signal.set_wakeup_fd(there, warn_on_full_buffer=False)
    threading.Thread(target=wait, daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        over.set()
        os.close(there)  # the thread ends


# What all complaints about the words have in common, which typer keeps to itself: ClickException.
_WrongWords: Any = typer.BadParameter.__mro__[2]
_INTERRUPTED = 128 + signal.SIGINT
_PATIENCE_S = 0.7
_AGAIN = "interrupted; the same command goes on from here"
_HOW_TO_GO_ON = {
    **dict.fromkeys(("cluster", "deep", "merge"), f"{_AGAIN}, labelimg undo RESULT takes back what was done"),
    **dict.fromkeys(("labels", "stamp", "undo"), _AGAIN),
    "review": "interrupted; labelimg review RESULT ends what was begun, labelimg undo RESULT takes the whole run back",
    "train": "interrupted; the same command with --resume goes on from what was saved, twice a minute",
}

# Of each command, which is a function of its name in a module of its name, what the list of commands says.
_COMMANDS = {
    "cluster": "Sort images into folders of similar ones.",
    "threshold": "Choose what counts as similar, by a curve and pictures.",
    "merge": "Merge the batch folders of a --no-merge run.",
    "undo": "Take a run back.",
    "report": "Make the page that shows a result again.",
    "review": "Change clusters by hand, in a window.",
    "labels": "Cut images into segments, without windows.",
    "preview": "Show what each segmenting method makes of an image.",
    "masks": "List which images have masks.",
    "stamp": "Paint templates wherever they are found.",
    "segment": "Cut images into segments and paint them, in windows.",
    "deep": "Sort images into folders of kinds of thing, by a deep model.",
    "train": "Train an autoencoder for labelimg deep.",
    "cache": "The features that are kept between runs.",
}


def application(names: Iterable[str]) -> typer.Typer:
    """The command line with these commands: to make all of them takes a while, and a run needs one."""
    made = typer.Typer(
        name="labelimg",
        cls=_Commands,
        help="Sort folders of mixed images, and cut images into segments and masks.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for name in names:
        module = import_module(f"{__name__}.{name}")
        if name == "cache":
            made.add_typer(module.app, name=name)
        else:
            made.command(short_help=_COMMANDS[name])(getattr(module, name))
    made.callback(invoke_without_command=True)(root)
    return made


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return application(_COMMANDS)


def root(version: bool = typer.Option(False, "--version", help="Show the version and exit.")) -> None:
    """Sort folders of mixed images, and cut images into segments and masks."""
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
    _open_streams()
    try:
        first = sys.argv[1] if len(sys.argv) > 1 else ""
        application([first] if first in _COMMANDS else _COMMANDS)()
        sys.stdout.flush()
    except LabelimgError as error:
        fail(str(error), error.exit_status)
    except MemoryError:
        fail("there is not enough memory for it: shrink the images, or allow it more", 1)
    except BrokenPipeError:
        # Who read our output has gone; python must not complain about it when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        fail(_told(error), 1)
    sys.exit(0)


def _open_streams() -> None:
    """What a terminal cannot show is shown escaped; a stream closed before the start takes all and says nothing."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def _told(error: OSError) -> str:
    """What the system refused, where nothing nearer to it has a better word."""
    try:
        os.getcwd()
    except OSError:
        return "the folder that this was started in is gone; change to another"
    name = "" if error.filename is None else f"{printable(os.fsdecode(error.filename))}: "
    return f"{name or 'the system refuses to go on: '}{error.strerror or error}"


def fail(text: str, status: int) -> NoReturn:
    """Print one line on stderr and leave with the status."""
    sys.stderr.write(f"labelimg: {text}\n")
    sys.stderr.flush()
    sys.exit(status)

"""Options for the parameters of all segmenting methods, made from the methods' own fields."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import typer

from labelimg.segmentatimg.methods import NAMES, method_class
from labelimg.segmentatimg.methods.base import Field, fields_of


def flag(field: str) -> str:
    """The option of a parameter: --work-size for work_size."""
    return f"--{field.replace('_', '-')}"


def fields_by_name() -> dict[str, dict[str, Field]]:
    """For each name of a parameter, the methods that have it, each with its field."""
    found: dict[str, dict[str, Field]] = {}
    for method in NAMES:
        for field in fields_of(method_class(method)):
            found.setdefault(field.name, {})[method] = field
    return found


def with_parameters(command: Callable[..., None]) -> Callable[..., None]:
    """The command with an option for each parameter of any method in place of its `**parameters`.

    An option that was not given is not passed on, so that each method keeps its own default.
    """
    signature = inspect.signature(command, eval_str=True)
    own = [each for each in signature.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
    options = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=_option(name, fields), annotation=_type(fields))
        for name, fields in fields_by_name().items()
    ]
    names = {option.name for option in options}

    def call(**given: Any) -> None:
        command(**{name: value for name, value in given.items() if name not in names or value is not None})

    call.__name__, call.__doc__ = command.__name__, command.__doc__
    call.__signature__ = signature.replace(parameters=[*own, *options])  # type: ignore[attr-defined]
    call.__annotations__ = {each.name: each.annotation for each in (*own, *options)}
    return call


def _type(fields: dict[str, Field]) -> Any:
    return next(iter(fields.values())).kind | None


def _option(name: str, fields: dict[str, Field]) -> Any:
    shown = next(iter(fields.values()))
    ranges = {method: _range(field) for method, field in fields.items()}
    same = len(set(ranges.values())) == 1
    meaning = shown.help[0].upper() + shown.help[1:] + (f" ({_range(shown)})" if same else "")
    each = (
        f"{method} {_shown(field.default)}" + ("" if same else f" ({ranges[method]})")
        for method, field in fields.items()
    )
    return typer.Option(
        None,
        flag(name),
        help=f"{meaning}. Default: {', '.join(each)}.",
        show_default=False,
        rich_help_panel="Parameters of the methods",
        metavar={int: "N", float: "X", str: "WORD"}[shown.kind],
    )


def _range(field: Field) -> str:
    return ", ".join(field.choices) if field.choices else f"{_shown(field.low)} to {_shown(field.high)}"


def _shown(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:,.12g}"

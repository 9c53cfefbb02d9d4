"""How a command line becomes the parameters of a command, beyond what typer does by itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import wraps
from inspect import Parameter
from typing import Any, get_type_hints

import typer
from typer.core import TyperCommand

_MANY_IDS = ("--batch", "--collection")


class ManyIds(TyperCommand):
    """A command whose `--batch` and `--collection` take all ids that follow them."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]  # the parent names a class that typer does not export
        """Give each id an option of its own, as the parser wants it."""
        return super().parse_args(ctx, spread_ids(args))


def spread_ids(words: list[str]) -> list[str]:
    """Repeat an option before each of its ids.

    >>> spread_ids(["--batch", "b-1", "b-2", "--json"])
    ['--batch', 'b-1', '--batch', 'b-2', '--json']
    """
    spread: list[str] = []
    option = ""
    for before, word in zip(["", *words], words, strict=False):
        if word.startswith("-") and before not in _MANY_IDS:
            option = word
        elif option in _MANY_IDS and before not in _MANY_IDS:
            spread.append(option)
        spread.append(word)
    return spread


def takes_groups(command: Callable[..., int]) -> Callable[..., int]:
    """Let a command take groups of options: each parameter that is a dataclass stands for the options it is made of.

    typer asks a function for its signature; this one tells the options of a group in the group's place, and makes the
    group of their values.

    Args:
        command: takes keywords only; the fields of its groups are options, as parameters are.
    """
    hints = get_type_hints(command, include_extras=True)
    groups = {name: hint for name, hint in hints.items() if is_dataclass(hint) and isinstance(hint, type)}
    spread: list[Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        if parameter.name in groups:
            spread += _parameters_of(groups[parameter.name])
        else:
            spread.append(parameter.replace(annotation=hints[parameter.name]))

    @wraps(command)
    def with_groups(**values: Any) -> int:
        for name, group in groups.items():
            values[name] = group(**{field.name: values.pop(field.name) for field in fields(group)})
        return command(**values)

    with_groups.__signature__ = inspect.Signature(spread)  # type: ignore[attr-defined]  # read by inspect, as it says
    with_groups.__annotations__ = {parameter.name: parameter.annotation for parameter in spread}
    return with_groups


def _parameters_of(group: type[Any]) -> list[Parameter]:
    hints = get_type_hints(group, include_extras=True)

    def parameter(field: Field[Any]) -> Parameter:
        default = Parameter.empty if field.default is MISSING else field.default
        return Parameter(field.name, Parameter.KEYWORD_ONLY, default=default, annotation=hints[field.name])

    return [parameter(field) for field in fields(group)]

"""From a template and its values to what is sent. Pure; done at the moment of sending."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from kehu_notifier.templates.template import Template, fill
from kehu_notifier.templates.words import worded

_CUT = "…"

Problem = Literal["variable-missing", "variable-empty"]


class CannotRenderError(Exception):
    """A template's places cannot be filled.

    Args:
        problem: which rule that breaks.
        variable: the place.

    """

    def __init__(self, problem: Problem, variable: str) -> None:
        super().__init__(f"{problem}: {variable}")
        self.problem: Problem = problem
        self.variable = variable


@dataclass(frozen=True, slots=True)
class Rendered:
    """What is sent: the whole text, and by name the values that an SMS provider puts into its own copy of it."""

    text: str
    variables: Mapping[str, str]


def render(template: Template, values: Mapping[str, str], *, longest: int) -> Rendered:
    """Fill a template.

    An SMS is Chinese, its values cut to the length that providers allow; what employees read at work has English beside
    it and is not cut.

    Args:
        template: the words.
        values: by variable; more than it asks for does no harm.
        longest: characters of a value in an SMS (policy data).

    Raises:
        CannotRenderError: a value is missing or blank, which no provider takes.

    """
    if (gap := find_gap(template, values)) is not None:
        raise CannotRenderError(*gap)
    chinese = {name: worded(name, values[name], "zh") for name in template.variables}
    if template.channel == "sms":
        chinese = {name: cut(value, longest) for name, value in chinese.items()}
        return Rendered(fill(template.zh, chinese), chinese)
    english = {name: worded(name, values[name], "en") for name in template.variables}
    texts = [fill(template.zh, chinese), *([fill(template.en, english)] if template.en else [])]
    return Rendered("\n".join(texts), chinese)


def find_gap(
    template: Template, values: Mapping[str, str], *, later: Collection[str] = ()
) -> tuple[Problem, str] | None:
    """The first place that cannot be filled, and why: no provider takes a missing or blank value (Notifications).

    Args:
        template: the words.
        values: by variable.
        later: variables whose values are known only when it is sent.

    """
    for variable in template.variables:
        if variable in later:
            continue
        if variable not in values:
            return "variable-missing", variable
        if not values[variable].strip():
            return "variable-empty", variable
    return None


def cut(value: str, longest: int) -> str:
    """A value on one line, in `longest` characters at most; what is cut off shows by an ellipsis."""
    line = " ".join(value.split())
    return line if len(line) <= longest else line[: longest - len(_CUT)] + _CUT

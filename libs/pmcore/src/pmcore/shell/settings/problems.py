"""What is wrong with a setting, in words: the variable, its value, the reason and the remedy.

A rule is a check over several fields of one settings class. Every rule is looked at on its own, so
that one broken rule, or one bad value elsewhere, does not hide another.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import TypeVar

import msgspec

_FIELDS = "_fields_of_the_rule"
_SHOWN_CHARACTERS = 80


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One variable that cannot be used. `value` is "" for a secret and for an unset variable."""

    variable: str
    reason: str
    remedy: str
    value: str = ""

    def __str__(self) -> str:
        shown = f" (is {self.value[:_SHOWN_CHARACTERS]!r})" if self.value else ""
        return f"{self.variable}: {self.reason}{shown}; {self.remedy}"


class BrokenRule(msgspec.Struct, frozen=True):
    """A problem, and the fields that the rule looked at."""

    fields: frozenset[str]
    problem: Problem


RuleT = TypeVar("RuleT", bound=Callable[..., Problem | None])


def rule(*fields: str) -> Callable[[RuleT], RuleT]:
    """Mark a method of a settings class as a check over these fields; it returns a problem."""

    def mark(check: RuleT) -> RuleT:
        setattr(check, _FIELDS, frozenset(fields))
        return check

    return mark


def broken_rules(settings: object) -> list[BrokenRule]:
    """Look at every rule of the class and of those that it inherits from."""
    broken = []
    for cls in reversed(type(settings).__mro__):
        for check in vars(cls).values():
            fields = getattr(check, _FIELDS, None)
            if fields is None or not isinstance(check, types.FunctionType):
                continue
            problem = check(settings)
            if problem is not None:
                broken.append(BrokenRule(fields, problem))
    return broken

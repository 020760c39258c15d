"""The verdict of a study: limits from a dated file, applied to the pessimistic model first."""

from __future__ import annotations

import datetime
from enum import StrEnum
from pathlib import Path

import msgspec

from pmtools.errors import UsageError
from pmtools.study.figures import Estimate


class StudyVerdict(StrEnum):
    """Closed list."""

    PASS = "PASS"  # noqa: S105 - no password
    MARGINAL = "MARGINAL"
    FAIL = "FAIL"
    INSUFFICIENT_DATA = "INSUFFICIENT_DATA"


class StudyLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Cents of the median adverse move, and how many fills it takes to say anything."""

    pass_below_cents: float
    fail_above_cents: float
    least_fills: int


class StudyPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A question, the settings that are asked about, and the limits, as they were written down."""

    date: datetime.date
    question: str
    settings: dict[str, str | int | float | bool]
    limits: StudyLimits


def read_plan(path: Path) -> StudyPlan:
    """Raise `UsageError` for a file that is no plan."""
    try:
        plan = msgspec.toml.decode(path.read_bytes(), type=StudyPlan)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise UsageError(f"{path} is no study: {error}") from error
    if plan.limits.pass_below_cents > plan.limits.fail_above_cents or plan.limits.least_fills < 1:
        raise UsageError(f"{path}: its limits contradict each other")
    return plan


def verdict_of(limits: StudyLimits, fills: int, adverse_cents: Estimate | None) -> StudyVerdict:
    """`fills`: those whose mid is known at the fill and 30 s later."""
    if adverse_cents is None or fills < limits.least_fills:
        return StudyVerdict.INSUFFICIENT_DATA
    if adverse_cents.value < limits.pass_below_cents:
        return StudyVerdict.PASS
    return (
        StudyVerdict.FAIL
        if adverse_cents.value > limits.fail_above_cents
        else StudyVerdict.MARGINAL
    )

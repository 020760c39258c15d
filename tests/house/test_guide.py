"""The guide explains every variable of the strategy, with its true default and bounds."""

from __future__ import annotations

import re
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import get_args

import pytest
from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo

from pmcore.shell.settings.common import CommonSettings, variable_of
from pmcore.shell.settings.known_variables import override_of
from pmcore.shell.settings.strategy import TICKS, StrategySettings
from support.settings import all_variables
from support.tree import ROOT, name_of, tracked

GUIDE = (ROOT / "docs/strategy_guide.md").read_text()
ROW = re.compile(r"^\| `([A-Z_]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|", re.MULTILINE)
EXPLAINED = {name: (default, bounds) for name, default, bounds, _ in ROW.findall(GUIDE)}
OWN = [name for name in StrategySettings.model_fields if name not in CommonSettings.model_fields]
VARIABLE = re.compile(r"\b(?:PM|POLYMARKET)_[A-Z0-9_]*[A-Z0-9]\b")
NOT_SETTINGS = {
    *("PM_SIM_SERIES", "PM_PRESET", "PM_REQUIRE", "PM_RECORDINGS"),
    *(f"PM_{service}_URL" for service in ("FEED", "STRATEGY", "EXECUTOR", "USERWS", "SIMULATOR")),
}
DOCUMENTS = [path for path in tracked() if path.suffix == ".md"]


def plain(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    return value.value if isinstance(value, StrEnum) else str(value)


def bounds_of(field: FieldInfo) -> str:
    signs: list[str] = []
    choices: list[str] = []
    kinds = [field.annotation, *get_args(field.annotation)]
    metadata = list(field.metadata)
    for kind in kinds:
        metadata += getattr(kind, "__metadata__", ())
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            choices = [member.value for member in kind]
    for part in (inner for each in metadata for inner in getattr(each, "metadata", [each])):
        match part:
            case Gt(gt=limit):
                signs.append(f"> {limit}")
            case Ge(ge=limit):
                signs.append(f"≥ {limit}")
            case Lt(lt=limit):
                signs.append(f"< {limit}")
            case Le(le=limit):
                signs.append(f"≤ {limit}")
            case _:
                pass
    if bool in kinds:
        choices = ["true", "false"]
    return ", ".join(signs or choices)


@pytest.mark.parametrize("name", OWN)
def test_a_variable_of_the_strategy_is_explained_truly(name: str) -> None:
    field = StrategySettings.model_fields[name]
    default, bounds = EXPLAINED[variable_of(StrategySettings, name)]
    expected = plain(field.default)
    if isinstance(field.default, Decimal):
        assert Decimal(default) == field.default
    elif name != "stop_new_risk_s":
        assert default.strip("`") == expected
    assert bounds.replace("`", "") == (
        ", ".join(TICKS) if name == "tick_size" else bounds_of(field)
    )


def test_the_guide_explains_no_variable_that_does_not_exist() -> None:
    assert EXPLAINED.keys() - all_variables() == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_a_document_names_only_variables_that_exist(path: Path) -> None:
    known = all_variables() | NOT_SETTINGS
    named = {(override_of(name) or (name,))[0] for name in VARIABLE.findall(path.read_text())}
    assert named - known == set()

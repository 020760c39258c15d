"""`PM_PRESET`: a named file of strategy variables, for those that are unset (presets/).

A preset is expanded by what starts or replays an engine (`pm run`, the containers, `pm replay`,
`pm doctor`), and the name goes no further. A variable that is set wins over the preset's value, and
over its overrides for single series. See docs/decisions/0021-presets.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from pmcore.shell.settings.known_variables import OF_PRESETS, override_of

VARIABLE = "PM_PRESET"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_LINE = re.compile(r"([A-Z][A-Z0-9_]*)=(\S+)")


class PresetError(Exception):
    """One line: what is wrong with a preset, and what can be used instead."""


class AppliedPreset(msgspec.Struct, frozen=True):
    """`environ` without PM_PRESET and with the preset's values. No preset: `name` is empty.

    `used` are the preset's values that count; `overridden` those that a set variable replaces.
    """

    environ: dict[str, str]
    name: str = ""
    used: dict[str, str] = {}
    overridden: dict[str, str] = {}

    @property
    def sentence(self) -> str:
        """For people: what the preset sets and what it does not; "" without a preset."""
        if not self.name:
            return ""
        text = f"preset {self.name}: " + _listed(self.used)
        if self.overridden:
            text += f"; not used, because these variables are set: {_listed(self.overridden)}"
        return text


def preset_names(folder: Path) -> list[str]:
    """All presets of a folder, by name."""
    return sorted(path.stem for path in folder.glob("*.env") if _NAME.fullmatch(path.stem))


def read_preset(name: str, folder: Path) -> dict[str, str]:
    """The variables of a preset. Raise `PresetError` for an unknown one or a bad line."""
    names = preset_names(folder)
    if name not in names:
        known = ", ".join(names) or f"none in {folder}"
        raise PresetError(f"{VARIABLE}={name[:60]!r}: there is no such preset; there are: {known}")
    values: dict[str, str] = {}
    path = folder / f"{name}.env"
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        found = _LINE.fullmatch(text)
        if found is None or not (found[1] in OF_PRESETS or override_of(found[1])):
            raise PresetError(
                f"{path.name}, line {number}: {text[:60]!r} is no NAME=value of a variable of the "
                "strategy"
            )
        values[found[1]] = found[2]
    return values


def apply_preset(environ: Mapping[str, str], folder: Path) -> AppliedPreset:
    """Fill unset variables from the preset that PM_PRESET names. Empty counts as unset."""
    rest = {name: value for name, value in environ.items() if name != VARIABLE}
    name = environ.get(VARIABLE, "")
    if not name:
        return AppliedPreset(rest)
    values = read_preset(name, folder)
    used = {key: value for key, value in values.items() if not _is_set(key, rest)}
    overridden = {key: value for key, value in values.items() if key not in used}
    return AppliedPreset({**rest, **used}, name, used, overridden)


def _is_set(name: str, environ: Mapping[str, str]) -> bool:
    """A variable that is set counts for every series, so an override in a preset yields too."""
    override = override_of(name)
    return bool(environ.get(name) or (override and environ.get(override[0])))


def _listed(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items()) or "nothing"

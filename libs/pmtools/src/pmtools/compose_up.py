"""`make up`, `make up-sim`: start the system, and go on without an image that cannot be had.

Compose starts nothing when one image cannot be pulled. Here our own images are built, the others
are looked for one by one, and what can be done without is left out and named at the end. Only the
standard library is used, so that the Docker targets need no virtual environment.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

STAND_IN = "pm-as-ofi.stand-in"
CAN_BE_LEFT_OUT = {
    "grafana": "The figures are at Prometheus (http://127.0.0.1:9090) and in `pm status`.",
    "prometheus": "The engine does not need it: each service tells its figures at /metrics, and "
    "`pm status` sums them up. No alert fires.",
}
_OVERRIDE = re.compile(r"PM_[A-Z0-9_]*[A-Z0-9]__[A-Z0-9_]+")
_ASSIGNED = re.compile(r"^[ \t]*(?:export[ \t]+)?(\w+)[ \t]*=[ \t]*\S", re.MULTILINE)
Services = Mapping[str, Mapping[str, Any]]


class NotStartedError(Exception):
    """Nothing was started; says why and what to do."""


def main(compose: Sequence[str]) -> int:
    """`compose` is the command with its options, for example `docker compose --profile sim`."""
    try:
        missing = start(compose)
    except NotStartedError as error:
        print(error, file=sys.stderr)
        return 1
    for name, why in missing.items():
        print(as_notice(name, why, compose), file=sys.stderr)
    return 0


def start(compose: Sequence[str]) -> dict[str, str]:
    """Start all that can be; return what was left out, with the reason."""
    _refuse_overrides(compose)
    services = _services(compose)
    ours = [name for name, one in services.items() if "build" in one and not _is_optional(name)]
    _run([*compose, "build", *ours], "an image of ours cannot be built")
    missing: dict[str, str] = {}
    for name, one in services.items():
        if name not in ours and (why := _why_not_here(compose, name, str(one["image"]))):
            if not _is_optional(name):
                raise NotStartedError(
                    f"{name}: the image {one['image']} is not here and cannot be pulled ({why}). "
                    "Nothing works without it, so nothing was started. Pull it from a registry "
                    "that you can reach, or load it with `docker load`, and tag it with this name."
                )
            missing[name] = f"its image {one['image']} cannot be pulled ({why})"
    missing |= dependents(services, missing)
    wanted = [name for name in services if name not in missing]
    _run([*compose, "up", "--detach", *wanted], "the containers cannot be started")
    return missing


def _refuse_overrides(compose: Sequence[str]) -> None:
    """Compose would hand settings of single series to no container, without a word."""
    names = _override_names(name for name, value in os.environ.items() if value)
    with suppress(OSError, UnicodeDecodeError):
        names += _override_names(_ASSIGNED.findall(Path(".env").read_text(encoding="utf-8")))
    if names:
        raise NotStartedError(
            f"{names[0]}: {compose[0]} gives no container a setting of a single series. Nothing "
            "was started. Write it into a preset of your own (presets/mine.env), set "
            "PM_PRESET=mine, and unset it here."
        )


def _override_names(names: Iterable[str]) -> list[str]:
    return [name for name in names if _OVERRIDE.fullmatch(name)]


def dependents(services: Services, missing: Mapping[str, str]) -> dict[str, str]:
    """Services that would pull a missing one in again, because they ask for it."""
    return {
        name: f"it shows nothing without {need}"
        for name, one in services.items()
        if name not in missing
        for need in one.get("depends_on", {})
        if need in missing
    }


def as_notice(name: str, why: str, compose: Sequence[str]) -> str:
    """What is missing, what that means, and how to add it."""
    command = " ".join(compose)
    return (
        f"{name} is NOT started: {why}. Everything else is. {CAN_BE_LEFT_OUT[name]}\n"
        f"  to add it later: {command} pull {name} && {command} up --detach {name}"
    )


def _is_optional(name: str) -> bool:
    return name in CAN_BE_LEFT_OUT


def _services(compose: Sequence[str]) -> dict[str, dict[str, Any]]:
    told = _run([*compose, "config", "--format", "json"], "the Compose file cannot be read")
    found: dict[str, dict[str, Any]] = json.loads(told)["services"]
    return found


def _why_not_here(compose: Sequence[str], name: str, image: str) -> str:
    """Empty when the image is on this machine, perhaps since now; else the last words of Docker."""
    template = f'{{{{index .Config.Labels "{STAND_IN}"}}}}'
    found = _try(["docker", "image", "inspect", "--format", template, image])
    if found.returncode == 0 and found.stdout.strip() in ("", "<no value>"):
        return ""
    pulled = _try([*compose, "pull", name])
    if pulled.returncode == 0:
        return ""
    said = [line.strip() for line in pulled.stderr.splitlines() if line.strip()]
    return said[-1].rstrip(".") if said else f"exit code {pulled.returncode}"


def _run(command: Sequence[str], problem: str) -> str:
    """Run with Docker's own messages on the screen; return stdout of `config` only."""
    wanted = "config" in command
    try:
        done = subprocess.run(  # noqa: S603 - the operator's own command
            command, stdout=subprocess.PIPE if wanted else None, text=True, check=False
        )
    except OSError as error:
        raise NotStartedError(f"{command[0]} cannot be run: {error.strerror}") from error
    if done.returncode:
        raise NotStartedError(f"{problem}; see above. Nothing was started by this command.")
    return done.stdout or ""


def _try(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - the operator's own command
        command, capture_output=True, text=True, check=False
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["docker", "compose"]))

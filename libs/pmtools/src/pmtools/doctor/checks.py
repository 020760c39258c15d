"""What `pm doctor` can check without the network: credentials, wallet, files, libraries."""

from __future__ import annotations

import importlib.util
import os
import stat
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path

import msgspec

from pmcore.shell.service.control import TOKEN_FILE
from pmcore.shell.settings.common import CommonSettings, Mode

_API = ("POLYMARKET_API_KEY", "POLYMARKET_API_SECRET", "POLYMARKET_API_PASSPHRASE")
_FUNDED_TYPES = {"1": "proxy wallet", "2": "Safe", "3": "deposit wallet"}


class Verdict(StrEnum):
    """FAIL makes the exit code 1."""

    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"


class Finding(msgspec.Struct, frozen=True):
    """One line: what was looked at, what was seen, and how to mend it."""

    verdict: Verdict
    subject: str
    text: str
    mend: str = ""


def ok(subject: str, text: str) -> Finding:
    """As it should be."""
    return Finding(Verdict.OK, subject, text)


def warn(subject: str, text: str, mend: str) -> Finding:
    """Works, but the operator should know."""
    return Finding(Verdict.WARN, subject, text, mend)


def fail(subject: str, text: str, mend: str) -> Finding:
    """Does not work."""
    return Finding(Verdict.FAIL, subject, text, mend)


def local_findings(settings: CommonSettings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Everything that needs no network, for settings without a problem."""
    yield _mode(settings)
    if settings.mode is Mode.LIVE:
        yield _private_key()
        yield _api_credentials(environ)
        yield _wallet(environ)
        yield _signing_backend()
    yield _data_dir(settings.data_dir)
    yield from _secret_files(settings.data_dir, environ)


def _mode(settings: CommonSettings) -> Finding:
    said = {
        Mode.SIM: "sim: orders go to the simulator",
        Mode.DRY: "dry: real market data, paper fills, no order leaves",
        Mode.LIVE: "LIVE: orders are real",
    }
    return ok("mode", said[settings.mode])


def _given(environ: Mapping[str, str], name: str) -> bool:
    return bool(environ.get(name) or environ.get(f"{name}_FILE"))


def _private_key() -> Finding:
    return ok("private key", "64 hex digits (not shown)")


def _api_credentials(environ: Mapping[str, str]) -> Finding:
    if all(_given(environ, name) for name in _API):
        return ok("API credentials", "all three are given")
    return ok("API credentials", "none given: the executor derives them from the key")


def _wallet(environ: Mapping[str, str]) -> Finding:
    """Which account type needs a funder: docs/venue.md 3.3."""
    kind = environ.get("POLYMARKET_SIGNATURE_TYPE") or "0"
    funder = environ.get("POLYMARKET_FUNDER_ADDRESS") or ""
    if kind != "0":
        return ok("wallet", f"signature type {kind}: {_FUNDED_TYPES.get(kind, 'wallet')} {funder}")
    if funder:
        return warn(
            "wallet",
            "signature type 0 trades from the key's own address, yet a funder is set",
            "unset POLYMARKET_FUNDER_ADDRESS, or set POLYMARKET_SIGNATURE_TYPE=1, 2 or 3 "
            "(3 for accounts made since May 2026)",
        )
    return ok("wallet", "signature type 0: the key's own address")


def _signing_backend() -> Finding:
    if importlib.util.find_spec("coincurve") is None:
        return fail(
            "signing",
            "coincurve is missing: a signature would take eight times as long",
            "pip install coincurve (the executor's image has it)",
        )
    return ok("signing", "coincurve")


def _data_dir(directory: Path) -> Finding:
    nearest = directory.absolute()
    while not nearest.exists():
        nearest = nearest.parent
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        return fail(
            "data directory",
            f"{directory} cannot be written",
            "set PM_DATA_DIR to a directory of yours",
        )
    return ok("data directory", str(directory))


def _secret_files(data_dir: Path, environ: Mapping[str, str]) -> Iterator[Finding]:
    files = {"control token": data_dir / TOKEN_FILE}
    for name in ("PM_CONTROL_TOKEN", "POLYMARKET_PRIVATE_KEY", *_API):
        if named := environ.get(f"{name}_FILE"):
            files[f"{name}_FILE"] = Path(named)
    for subject, path in files.items():
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except OSError:
            continue
        if mode & 0o077:
            yield warn(
                subject, f"{path} can be read by others (mode {mode:o})", f"chmod 600 {path}"
            )
        else:
            yield ok(subject, f"{path} is for its owner only")

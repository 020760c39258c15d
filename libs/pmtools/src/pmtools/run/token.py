"""The control token of a run: the operator's, or a new one that nobody else knows."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

from pmtools.errors import UsageError


def control_token(environ: Mapping[str, str]) -> str:
    """PM_CONTROL_TOKEN, else the content of PM_CONTROL_TOKEN_FILE, else a made one.

    Raise `UsageError` for a file that cannot be read, and where both are set.
    """
    given, path = environ.get("PM_CONTROL_TOKEN"), environ.get("PM_CONTROL_TOKEN_FILE")
    if given and path:
        raise UsageError("set PM_CONTROL_TOKEN or PM_CONTROL_TOKEN_FILE, not both")
    if not path:
        return given or secrets.token_urlsafe(24)
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"PM_CONTROL_TOKEN_FILE: {path} cannot be read: {error}") from error

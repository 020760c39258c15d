"""How a command ends when it cannot do what was asked."""

from __future__ import annotations

from pathlib import Path

from pmcore.model.errors import MalformedInputError

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


class CommandError(Exception):
    """One clear line for stderr and the exit code; never shown as a traceback."""

    def __init__(self, text: str, *, exit_code: int = EXIT_FAILED) -> None:
        super().__init__(" ".join(text.split()))
        self.exit_code = exit_code


class UsageError(CommandError):
    """A wrong argument or an unusable input file: exit code 2."""

    def __init__(self, text: str) -> None:
        super().__init__(text, exit_code=EXIT_USAGE)


def unusable_file(path: Path, error: MalformedInputError) -> UsageError:
    """Say in words why a file cannot be used."""
    reason, detail = error.reason.replace("_", " "), error.detail.replace(str(path), "").strip(": ")
    why = f"{reason} ({detail})" if detail else reason
    return UsageError(f"{path} cannot be used: {why}")

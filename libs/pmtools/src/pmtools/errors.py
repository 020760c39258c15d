"""How a command ends when it cannot do what was asked."""

from __future__ import annotations

from pathlib import Path

from pmcore.model.errors import MalformedInputError

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
_OF_NO_FORMAT = ("no_frames", "empty_file")
STUDY_PACKAGES = ("polars", "matplotlib", "numpy")
"""Of the extra `pmtools[study]`."""
NEEDS_STUDY = "tables need packages that are not installed: pip install 'pmtools[study]'"

KNOWN_FORMATS = (
    "the formats known are: JSON lines with a frame and its receive time (.jsonl, also .gz or "
    ".zst), frames separated by ;;, books_1hz lines, lists named *_orderbooks_up.json, "
    "*_trades_down.json and so on; for `pm replay` also journals of the strategy, "
    "the executor and userws"
)


class CommandError(Exception):
    """Clear lines for stderr, mostly one, and the exit code; never shown as a traceback."""

    def __init__(self, *lines: str, exit_code: int = EXIT_FAILED) -> None:
        self.lines = tuple(" ".join(line.split()) for line in lines)
        super().__init__("; ".join(self.lines))
        self.exit_code = exit_code


class UsageError(CommandError):
    """A wrong argument or an unusable input file: exit code 2."""

    def __init__(self, *lines: str) -> None:
        super().__init__(*lines, exit_code=EXIT_USAGE)


def unusable_file(path: Path, error: MalformedInputError) -> UsageError:
    """Say in words why a file cannot be used."""
    reason, detail = error.reason.replace("_", " "), error.detail.replace(str(path), "").strip(": ")
    why = f"{reason} ({detail})" if detail else reason
    if error.reason in _OF_NO_FORMAT:
        why += f"; {KNOWN_FORMATS}"
    return UsageError(f"{path} cannot be used: {why}")

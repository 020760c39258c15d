"""How each command of `pm` reads its arguments and explains itself."""

from __future__ import annotations

import argparse
from typing import NoReturn

from pmtools.errors import EXIT_USAGE

JSON_HELP = "print one JSON object on stdout, and nothing else there"


class Parser(argparse.ArgumentParser):
    """Reports what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """Print it and leave."""
        self.exit(EXIT_USAGE, f"{self.prog}: {message} (see {self.prog} --help)\n")


def add_command(
    commands: argparse._SubParsersAction[Parser], name: str, handler: str, summary: str, more: str
) -> argparse.ArgumentParser:
    """A command; `handler` is `module:function` below `pmtools`, imported when it runs."""
    parser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=more,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(handler=handler)
    return parser

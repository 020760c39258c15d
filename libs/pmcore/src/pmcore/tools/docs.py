"""Pages of `docs/` that are made from code: `python -m pmcore.tools.docs [--check]`.

Run from the repository's root. `--check` changes nothing and ends with 1 when a page is stale.
Another page is another entry of `PAGES`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pmcore.wire import keys
from pmcore.wire.codec import tag_of
from pmcore.wire.registry import MAX_DELIVERIES, STREAMS, Scope, StreamSpec

_HEADER = "<!-- made by `make docs`; change the code, not this page -->\n\n"
_DAY_MS = 86_400_000


def streams_page() -> str:
    """docs/streams.md, from `wire.registry` and `wire.keys`."""
    lines = [
        "# Redis keys and streams",
        "",
        "Keys are made by `pmcore.wire.keys` only. Braces are the hash tag: everything of one",
        "series (or account) shares a Cluster slot, so that a batch of entries and",
        "acknowledgements of one tag is one `MULTI/EXEC`.",
        "",
        "| stream | what | written by | read by | how | kept |",
        "|---|---|---|---|---|---|",
        *(_stream_row(spec) for spec in STREAMS.values()),
        "",
        "An entry has three fields: `t` the tag, `d` the message as JSON, `e` the envelope",
        "(source, run id, sequence number per stream, time of publishing).",
        f"An entry delivered more than {MAX_DELIVERIES} times goes to `dlq`.",
        "",
        "## Messages",
        "",
        "| stream | tag |",
        "|---|---|",
        *(_messages_row(spec) for spec in STREAMS.values()),
        "",
        "## Other keys",
        "",
        "| key | what |",
        "|---|---|",
        *(f"| `{key}` | {text} |" for key, text in _other_keys().items()),
    ]
    return "\n".join(lines) + "\n"


def _key(spec: StreamSpec) -> str:
    placeholder = "<series>" if spec.scope is Scope.SERIES else "<account>"
    return f"`{keys.stream_key(placeholder, spec.kind)}`"


def _stream_row(spec: StreamSpec) -> str:
    cells = [
        _key(spec),
        spec.purpose,
        ", ".join(spec.producers),
        ", ".join(spec.consumers) or "–",
        spec.read.value,
        _retention(spec),
    ]
    return "| " + " | ".join(cells) + " |"


def _retention(spec: StreamSpec) -> str:
    if spec.max_len is not None:
        return f"about {spec.max_len} entries, trimmed on add"
    if spec.keep_ms is not None:
        days = spec.keep_ms // _DAY_MS
        return f"{days} day{'s' if days > 1 else ''} and all that is pending, by the janitor"
    return "until a person removes it"


def _messages_row(spec: StreamSpec) -> str:
    tags = sorted(tag_of(message) for message in spec.messages)
    return f"| `{spec.kind}` | {', '.join(f'`{tag}`' for tag in tags)} |"


def _other_keys() -> Mapping[str, str]:
    return {
        keys.checkpoints("<series>"): _said(keys.checkpoints),
        keys.halt("<account>"): _said(keys.halt),
        keys.results("<account>"): _said(keys.results),
        keys.alive("<account>", "<service>"): _said(keys.alive),
    }


def _said(function: Callable[..., str]) -> str:
    return (function.__doc__ or "").rstrip(".")


PAGES: Mapping[str, Callable[[], str]] = {"docs/streams.md": streams_page}
"""Path from the repository's root -> what makes the page."""


def stale_pages(root: Path) -> Sequence[str]:
    """The pages that are missing or differ from what the code says now."""
    return [
        path
        for path, make in PAGES.items()
        if not (root / path).is_file() or (root / path).read_text() != _HEADER + make()
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the stale pages, or with `--check` only name them; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m pmcore.tools.docs", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; 1 when a page is stale"
    )
    parser.add_argument("--root", type=Path, default=Path(), help="the repository (default: here)")
    options = parser.parse_args(arguments)
    stale = stale_pages(options.root)
    for path in stale:
        if options.check:
            print(f"{path} is stale: run `make docs`", file=sys.stderr)
        else:
            (options.root / path).parent.mkdir(parents=True, exist_ok=True)
            (options.root / path).write_text(_HEADER + PAGES[path]())
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())

"""Pages of `docs/`, and Redis' users, that are made from code: `python -m pmtools.docs [--check]`.

Run from the repository's root. `--check` changes nothing and ends with 1 when a page is stale.
Another page is another entry of `PAGES`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from pmcore.machines import order_lifecycle, outbox, settlement
from pmcore.machines.order_lifecycle import OrderState, OrderTrigger
from pmcore.messages.user import TradeStatus
from pmcore.wire import access, keys
from pmcore.wire.codec import tag_of
from pmcore.wire.registry import STREAMS, Scope, StreamSpec
from pmtools.study import schema
from pmtools.sweep.table import COLUMNS as SWEEP_COLUMNS

_HEADER = "<!-- made by `make docs`; change the code, not this page -->\n\n"
_DAY_MS = 86_400_000
_State = TypeVar("_State", bound=StrEnum)
_Trigger = TypeVar("_Trigger", bound=StrEnum)

STATES: Mapping[OrderState, str] = {
    OrderState.REQUESTED: "the command to place it was emitted",
    OrderState.SUBMITTING: "its id stands in `exe`; the POST goes out",
    OrderState.RESTING: "the venue has it",
    OrderState.UNKNOWN: "the POST may or may not have arrived; the executor asks",
    OrderState.GONE_REST: "REST says that it is gone; the user channel has not said so yet",
    OrderState.GONE_USER: "the user channel says that it is gone; REST has not said so yet",
    OrderState.GONE_BOTH: "both say that it is gone; its fills are not accounted for yet",
    OrderState.FILLED: "all of it is in the ledger",
    OrderState.FAILED: "denied here or refused by the venue",
    OrderState.CLOSED: "it is gone, and all that was matched of it is in the ledger",
}
TRIGGERS: Mapping[OrderTrigger, str] = {
    OrderTrigger.SUBMITTING: "`OrderSubmitting`",
    OrderTrigger.ACCEPTED: "`OrderAccepted`",
    OrderTrigger.FAILED: "`OrderFailed`",
    OrderTrigger.UNKNOWN: "`OrderUnknown`",
    OrderTrigger.REST_GONE: "`OrderCancelled`, or `CancelFailed` with already_matched or not_found",
    OrderTrigger.USER_PLACED: "`OrderUpdated` PLACEMENT, or a part of it was filled",
    OrderTrigger.USER_GONE: "`OrderUpdated` CANCELLATION, or any that says matched",
    OrderTrigger.MATCH_SEEN: "anybody who says that shares were matched, when the order was over",
    OrderTrigger.FILLED: "the ledger has all of its shares",
    OrderTrigger.AGREED: "how much was matched is known, and the ledger has all of it",
}


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
        "An entry of `exe` or `user` that cannot be read goes to `dlq`, and its series halts.",
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
        keys.lease("<wallet or series>"): _said(keys.lease),
        keys.last_token(keys.lease("<wallet or series>")): _said(keys.last_token),
        keys.results("<account>"): _said(keys.results),
        keys.alive("<account>", "<service>"): _said(keys.alive),
    }


def _said(function: Callable[..., str]) -> str:
    return (function.__doc__ or "").rstrip(".")


def order_lifecycle_page() -> str:
    """docs/order-lifecycle.md, from the tables of `machines`."""
    lines = [
        "# The life of an order",
        "",
        "Three tables, and nothing else moves a state: what the strategy believes of an order,",
        "how a fill settles, and an order's way through the executor. The tables are in",
        "`pmcore.machines.order_lifecycle`, `.settlement` and `.outbox`; rows that exist only",
        "because the venue is irregular have a comment with the evidence.",
        "",
        "In a table, `=` means that the state stays, and `–` that the pair is not in the table:",
        "nothing changes, and it is a notice (order), a notice and a fill left as it was",
        "(settlement), or the end of the process (executor).",
        "",
        "## What the strategy believes",
        "",
        *_diagram(order_lifecycle.TRANSITIONS, OrderState.REQUESTED, _over(OrderState)),
        "",
        "| state | slot | counts in the worst case | means |",
        "|---|---|---|---|",
        *(_state_row(state) for state in OrderState),
        "",
        "| trigger | said by |",
        "|---|---|",
        *(f"| {trigger.value} | {TRIGGERS[trigger]} |" for trigger in OrderTrigger),
        "",
        *_matrix(order_lifecycle.TRANSITIONS, OrderState, OrderTrigger),
        "",
        "## How a fill settles",
        "",
        "*Working* inventory counts matched, mined and confirmed; *settled* counts mined and",
        "confirmed. A failed fill counts in neither, whenever it fails.",
        "",
        *_matrix(settlement.TRANSITIONS, settlement.SettlementState, TradeStatus),
        "",
        "## Through the executor",
        "",
        *_matrix(outbox.TRANSITIONS, outbox.OutboxState, outbox.OutboxTrigger),
    ]
    return "\n".join(lines) + "\n"


def _over(states: type[OrderState]) -> Sequence[OrderState]:
    return [state for state in states if state.is_over]


def _state_row(state: OrderState) -> str:
    slot = "taken" if state.occupies_slot else "free"
    counts = "no" if state.is_over else "yes"
    return f"| {state.value} | {slot} | {counts} | {STATES[state]} |"


def _diagram(
    table: Mapping[tuple[_State, _Trigger], _State], first: _State, last: Sequence[_State]
) -> list[str]:
    """A diagram of the moves; what leaves a state as it is, is in the table."""
    moves: dict[tuple[_State, _State], list[str]] = {}
    for (state, trigger), after in table.items():
        if after is not state:
            moves.setdefault((state, after), []).append(trigger.value)
    return [
        "```mermaid",
        "stateDiagram-v2",
        f"    [*] --> {first.value}",
        *(f"    {a.value} --> {b.value}: {', '.join(by)}" for (a, b), by in moves.items()),
        *(f"    {state.value} --> [*]" for state in last),
        "```",
    ]


def _matrix(
    table: Mapping[tuple[_State, _Trigger], _State],
    states: type[_State],
    triggers: type[_Trigger],
) -> list[str]:
    def cell(state: _State, trigger: _Trigger) -> str:
        after = table.get((state, trigger))
        if after is None:
            return "–"
        return "=" if after is state else after.value

    names = [trigger.value for trigger in triggers]
    return [
        f"| from | {' | '.join(names)} |",
        "|---" * (len(names) + 1) + "|",
        *(
            f"| **{state.value}** | {' | '.join(cell(state, trigger) for trigger in triggers)} |"
            for state in states
        ),
    ]


def users_of_redis() -> str:
    """redis/users.acl, from `wire.access`; `redis/start.sh` puts a password's hash in its place."""
    lines = [access.DEFAULT_OFF, *(access.acl_line(user, "PASSWORD") for user in access.USERS)]
    return "\n".join(lines) + "\n"


def tables_page() -> str:
    """docs/tables.md, from `pmtools.study.schema`."""
    lines = [
        "# Tables of windows",
        "",
        "One Parquet file a table and window: `FOLDER/TABLE/day=DAY/series=SERIES/SLUG.parquet`.",
        "Recordings and journals, replay and live, give the same tables by the same code; a",
        "journal has no `ledgers`.",
        "",
        "| who writes them | where | when |",
        "|---|---|---|",
        "| `pm replay FILE... --tables FOLDER` | `FOLDER` | when a window was replayed |",
        "| `pm run`, if its folder is kept | `var/run-3/tables` | when the run ends |",
        "| `pm report 3`, `pm report --day DAY` | there | if they are missing or too old |",
        "| `pm report --day DAY`, of Compose | `var/compose-PROJECT/tables` | the same |",
        "",
        "The images of Compose hold nothing that writes Parquet. Its journals are in a volume;",
        "`pm report --day today` copies those of the day out of the strategy's container. All of",
        "them, for any use:",
        "",
        "```",
        "docker compose cp strategy:/data/journal journals",
        "pm replay journals --tables tables",
        "```",
        "",
        "A journal that is still being written is read up to its last whole line. A strategy that",
        "began again writes another journal of the window: `pm report` reads the newest, in which",
        "what came before its start is known by its fills only. A window that two engines traded",
        "is in the report twice, with the engine's name.",
        "",
        "- Python: `from pmtools import study`, then `study.load(FOLDER)`: Polars frames;",
        "  `study.load(FOLDER, day=DAY)` reads one day.",
        "- DuckDB: `SELECT * FROM read_parquet('FOLDER/fills/**/*.parquet', hive_partitioning=1)`",
        "- Page: `pm report FOLDER`",
        "",
        "Units stand last in a name: `_e4` ten-thousandths of a dollar a share, `_u6` millionths",
        "of a share, `_e4u6` their product (10^10 of it is a dollar), `_ns` nanoseconds (times",
        "since 1970), `2_e4` and `2_e4u6` twice that, so that half a tick is a whole number.",
        "Integers are signed, of 64 bits. A cell is empty where a figure is not known.",
        "",
        "Two sums hold exactly. In `windows`, `profit2_e4u6` is `up_u6` times `up_worth2_e4`,",
        "plus `down_u6` times `20000 - up_worth2_e4`, less twice `cost_e4u6`. The four parts of",
        "all `fills` of a window add up to it.",
        "",
        "## Every table",
        "",
        *_columns(schema.PARTITIONS),
    ]
    for name, columns in schema.TABLES.items():
        lines += ["", f"## {name}", "", *_columns(columns)]
    lines += [
        "",
        "## rows.parquet of a sweep",
        "",
        "`pm sweep` writes one file, `rows.parquet`, with a row for each cell and window, beside",
        "its page `sweep.html`. Behind these columns is one of text for each variable of `[vary]`.",
        "",
        *_columns(SWEEP_COLUMNS),
    ]
    return "\n".join(lines) + "\n"


def _columns(columns: Sequence[schema.Column]) -> list[str]:
    return [
        "| column | kind | what |",
        "|---|---|---|",
        *(f"| `{one.name}` | {one.kind.value} | {one.meaning} |" for one in columns),
    ]


PAGES: Mapping[str, Callable[[], str]] = {
    "docs/tables.md": tables_page,
    "docs/streams.md": streams_page,
    "docs/order-lifecycle.md": order_lifecycle_page,
    "redis/users.acl": users_of_redis,
}
"""Path from the repository's root -> what makes the page."""


def stale_pages(root: Path) -> Sequence[str]:
    """The pages that are missing or differ from what the code says now."""
    return [
        path
        for path in PAGES
        if not (root / path).is_file() or (root / path).read_text() != _whole(path)
    ]


def _whole(path: str) -> str:
    return (_HEADER if path.endswith(".md") else "") + PAGES[path]()


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the stale pages, or with `--check` only name them; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m pmtools.docs", description=__doc__)
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
            (options.root / path).write_text(_whole(path))
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())

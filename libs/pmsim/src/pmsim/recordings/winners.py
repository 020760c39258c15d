"""Who won a recorded window, as the recording or a file beside it says.

Sources: the payouts or the closed Gamma market in the first line, a `market_resolved` frame, and a
`winners.json` in the same folder, `{slug: {"token_id": ..., "won": true}}` or `{slug: "up"}`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from pmcore.model.errors import MalformedInputError
from pmcore.model.market import Outcome, Window
from pmcore.shell.recording import WINNERS_FILE
from pmcore.venue.fields import as_object, decode_json
from pmcore.venue.listings import winner_of
from pmcore.venue.market_values import event_type_of
from pmsim.recordings.bytes import whole_file

_RESOLVED = "market_resolved"
_MAX_BYTES = 16 * 1024 * 1024


class Winner(msgspec.Struct, frozen=True):
    """An outcome that pays 1.00, and who says so."""

    outcome: Outcome
    source: str


def winner_in_metadata(market: object) -> Outcome | None:
    """Of a market's metadata; None when it is not decided, or does not pay one outcome alone."""
    item = as_object(market)
    if "payout_up" in item:
        payouts = [item["payout_up"], item.get("payout_down")]
        return Outcome.UP if payouts == [1, 0] else Outcome.DOWN if payouts == [0, 1] else None
    return winner_of(item)


def winners_in_frame(raw: str, windows: Iterable[Window]) -> dict[str, Winner]:
    """By slug, of a `market_resolved` frame; empty for any other."""
    if _RESOLVED not in raw:
        return {}
    try:
        decoded = decode_json(raw)
    except MalformedInputError:
        return {}
    items = decoded if isinstance(decoded, list) else [decoded]
    told = [item for item in items if isinstance(item, dict) and event_type_of(item) == _RESOLVED]
    return {
        window.slug: Winner(outcome, _RESOLVED)
        for item in told
        for window in windows
        for outcome in Outcome
        if item.get("winning_asset_id") == window.token_id(outcome)
    }


def winners_beside(path: Path, windows: Iterable[Window]) -> dict[str, Winner]:
    """By slug, of the file beside a recording. Raise `MalformedInputError` when it is of no use."""
    beside = path.with_name(WINNERS_FILE)
    if not beside.exists():
        return {}
    told = as_object(decode_json(whole_file(beside, _MAX_BYTES)))
    winners = {}
    for window in windows:
        if window.slug in told and (outcome := _told(told[window.slug], window)):
            winners[window.slug] = Winner(outcome, WINNERS_FILE)
    return winners


def _told(entry: object, window: Window) -> Outcome | None:
    if isinstance(entry, str):
        if entry not in {outcome.value for outcome in Outcome}:
            raise MalformedInputError("bad_winner", f"{window.slug}: {entry[:40]}")
        return Outcome(entry)
    item = as_object(entry, "bad_winner")
    for outcome in Outcome:
        if item.get("token_id") == window.token_id(outcome) and isinstance(item.get("won"), bool):
            return outcome if item["won"] else outcome.complement
    return None

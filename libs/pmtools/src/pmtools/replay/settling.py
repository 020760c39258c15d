"""What a replayed window was worth: paid out when its winner is known, else marked at its mid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pmcore.engine.strategy.engine import WindowEngine
from pmcore.machines.book import WindowBooks
from pmcore.machines.inventory import Position
from pmcore.model.errors import MalformedInputError
from pmcore.model.market import Outcome
from pmcore.model.units import PRICE_ONE_E4, SHARE_U6
from pmcore.shell.recording import WINNERS_FILE
from pmsim.queue.line import FillModel
from pmsim.recordings.reader import Recording
from pmsim.recordings.winners import Winner, winners_beside
from pmtools.errors import UsageError, unusable_file

_VIEWED = (
    "state",
    "net_diff",
    "portfolio_cost",
    "worst_case_profit",
    "profit",
    "refused",
)


def winners_before(recording: Recording, given: Outcome | None) -> dict[str, Winner]:
    """Who won, by slug, as far as it is known before the frames; a given winner is believed.

    Raise `UsageError` when the sources contradict each other.
    """
    if given is not None:
        return {window.slug: Winner(given, "--winner") for window in recording.windows()}
    try:
        beside = winners_beside(recording.path, recording.windows())
    except MalformedInputError as error:
        raise unusable_file(recording.path.with_name(WINNERS_FILE), error) from error
    return agreed(recording.winners(), beside)


def agreed(known: dict[str, Winner], told: dict[str, Winner]) -> dict[str, Winner]:
    """Both together; raise `UsageError` where they differ, and `--winner` did not decide."""
    for slug, winner in told.items():
        if slug in known and known[slug].outcome is not winner.outcome:
            if known[slug].source == "--winner":
                continue
            sources = " and ".join(f"{w.outcome} ({w.source})" for w in (known[slug], winner))
            raise UsageError(f"{slug}: sources name different winners: {sources}; see --winner")
    return {**told, **known}


def results_of(engine: WindowEngine, told: Winner | None) -> dict[str, Any]:
    """The figures of one window for the summary; of a journal the engine may know the winner.

    Nothing of this reaches the engine: its fingerprint does not depend on who won.
    """
    session = engine.session
    view, position = engine.view(), session.inventory.working
    results = {name: view[name] for name in _VIEWED if view[name] not in (None, "")}
    results["up"] = position.up.qty_u6 / SHARE_U6
    results["down"] = position.down.qty_u6 / SHARE_U6
    results["paid"] = _paid_u6(position) / SHARE_U6
    if pairs := session.inventory.pairing.pairs:
        results["dearest_pair"] = max(pair.cost_e4 for pair in pairs) / PRICE_ONE_E4
    winner = told.outcome if told else session.winner
    mid2_e4 = up_mid2_e4(session.books)
    if winner is not None:
        results["profit"] = position.profit_u6(winner) / SHARE_U6
        results["settlement"] = f"{winner} won ({told.source if told else 'journal'})"
        results.pop("worst_case_profit", None)
    elif mid2_e4 is None:
        results["settlement"] = "unsettled, and no book to mark it at"
    else:
        results["profit_marked"] = marked_profit_u6(position, mid2_e4) / SHARE_U6
        mid = mid2_e4 / 2 / PRICE_ONE_E4
        results["settlement"] = f"unsettled, marked at the last mid (Up {mid:g})"
    return results


def ledgers_of(
    ledgers: Mapping[FillModel, Position], engine: WindowEngine, told: Winner | None
) -> dict[str, dict[str, float]]:
    """What each fill model bought with the same orders, and what it was worth.

    One of them acted; the others say what its orders would have brought by their rules.
    """
    winner = told.outcome if told else engine.session.winner
    mid2_e4 = up_mid2_e4(engine.session.books)
    figures: dict[str, dict[str, float]] = {}
    for model, position in ledgers.items():
        figures[model.value] = {
            "up": position.up.qty_u6 / SHARE_U6,
            "down": position.down.qty_u6 / SHARE_U6,
            "paid": _paid_u6(position) / SHARE_U6,
        }
        if winner is not None:
            figures[model.value]["profit"] = position.profit_u6(winner) / SHARE_U6
        elif mid2_e4 is not None:
            figures[model.value]["profit_marked"] = marked_profit_u6(position, mid2_e4) / SHARE_U6
    return figures


def worth_of(engine: WindowEngine, told: Winner | None) -> int | None:
    """Twice what an Up share paid, or its last mid; None: neither is known."""
    winner = told.outcome if told else engine.session.winner
    if winner is not None:
        return 2 * PRICE_ONE_E4 if winner is Outcome.UP else 0
    return up_mid2_e4(engine.session.books)


def up_mid2_e4(books: WindowBooks) -> int | None:
    """Twice the last mid of Up; an empty side counts as 0 or 1, None if both are empty."""
    for outcome in Outcome:
        touch = books.touch(outcome)
        if touch.bid_e4 is None and touch.ask_e4 is None:
            continue
        ask_e4 = PRICE_ONE_E4 if touch.ask_e4 is None else touch.ask_e4
        mid2_e4 = (touch.bid_e4 or 0) + ask_e4
        return mid2_e4 if outcome is Outcome.UP else 2 * PRICE_ONE_E4 - mid2_e4
    return None


def marked_profit_u6(position: Position, mid2_e4: int) -> int:
    """Dollars won (negative: lost) if the shares were worth the mid, rounded down."""
    worth_e4u6 = position.up.qty_u6 * mid2_e4
    worth_e4u6 += position.down.qty_u6 * (2 * PRICE_ONE_E4 - mid2_e4)
    return worth_e4u6 // (2 * PRICE_ONE_E4) - _paid_u6(position)


def _paid_u6(position: Position) -> int:
    return -(-(position.up.cost_e4u6 + position.down.cost_e4u6) // PRICE_ONE_E4)


def only_window(inputs: Sequence[object]) -> None:
    """`--winner` names the winner of one window; raise `UsageError` for none or several."""
    windows = [w for each in inputs if isinstance(each, Recording) for w in each.windows()]
    if len(windows) != 1:
        raise UsageError(
            f"--winner needs exactly one window, here are {len(windows)}: "
            f"write a {WINNERS_FILE} beside the recordings"
        )

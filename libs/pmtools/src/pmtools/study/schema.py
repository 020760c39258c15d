"""The columns of each table: names, kinds and what they mean.

Units stand last in a name: `_e4` ten-thousandths of a dollar a share, `_u6` millionths of a share,
`_ns` nanoseconds, `2_e4` twice a price. All are integers: nothing is rounded.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from pmcore.machines.markouts import HORIZONS_S


class ColumnKind(StrEnum):
    """What a column holds; each may be empty where a figure is not known."""

    TEXT = "text"
    INTEGER = "integer"
    FLAG = "flag"


class Column(msgspec.Struct, frozen=True):
    """One column of a table."""

    name: str
    kind: ColumnKind
    meaning: str


def _text(name: str, meaning: str) -> Column:
    return Column(name, ColumnKind.TEXT, meaning)


def _integer(name: str, meaning: str) -> Column:
    return Column(name, ColumnKind.INTEGER, meaning)


def _flag(name: str, meaning: str) -> Column:
    return Column(name, ColumnKind.FLAG, meaning)


_SLUG = _text("slug", "the window")
PARTS = ("spread", "adverse", "residual", "unknown")
PARTITIONS = (
    _text("day", "the UTC day in which the window opened, as in 2026-11-27"),
    _text("series", "the series, as in btc-5m"),
)
"""Of every table; they are folders, and `load` gives them as columns."""

TABLES: dict[str, tuple[Column, ...]] = {
    "windows": (
        _SLUG,
        _text("source", "the name of the file that was replayed"),
        _text("kind", "recording or journal"),
        _text("fill_model", "the model whose fills the engine saw; empty for a journal"),
        _text("settings", "the strategy's parameters as JSON"),
        _text("fingerprint", "of the engine's outputs"),
        _text("inferred", "what the recording did not say and was inferred, with commas between"),
        _integer("open_ns", "when the window opened"),
        _integer("close_ns", "when it closed"),
        _text("winner", "up or down; empty when it is not known"),
        _text("winner_source", "who says so"),
        _integer("up_worth2_e4", "twice what an Up share paid, or its last mid without a winner"),
        _integer("up_u6", "Up shares bought"),
        _integer("down_u6", "Down shares bought"),
        _integer("cost_e4u6", "price times shares of all that was bought"),
        _integer("profit2_e4u6", "twice worth less cost; empty without a worth"),
        _integer("orders", "orders placed"),
        _integer("quoting_ns", "how long bids might rest"),
        _integer("both_rest_ns", "how long both did"),
    ),
    "ledgers": (
        _SLUG,
        _text("fill_model", "pessimistic, central or optimistic"),
        _integer("up_u6", "Up shares bought"),
        _integer("down_u6", "Down shares bought"),
        _integer("cost_e4u6", "price times shares"),
        _integer("profit2_e4u6", "twice worth less cost; empty without a worth"),
    ),
    "fills": (
        _SLUG,
        _text("trade_id", "of the venue, or of paper"),
        _text("outcome", "up or down"),
        _flag("hedge", "whether it lowered the net difference"),
        _flag("failed", "whether the chain refused it: it earned nothing"),
        _integer("at_ns", "when it was heard of"),
        _integer("since_open_ns", "the same since the window opened"),
        _integer("price_e4", "the price"),
        _integer("size_u6", "the shares"),
        _integer("rested_ns", "how long its order had rested"),
        _text(
            "reason", "why its bid was sent: balanced (for a new pair) or hedge; empty: not ours"
        ),
        _integer("ahead_u6", "shares that the book displayed at its price when it was sent"),
        _text("phase", "the window's phase at the fill: quoting, winding_down or cancelling, ..."),
        _text("flow", "the state of its outcome's flow at the fill: calm, toxic or recovering"),
        _flag("toxic", "whether either outcome's flow was toxic"),
        _integer("ofi_score_u6", "the flow's score of its outcome, in shares"),
        _integer("mid2_e4", "twice the mid of its outcome at the fill"),
        *(
            _integer(f"markout_{s}s_2_e4", f"twice (mid less price) {s} s after the fill")
            for s in HORIZONS_S
        ),
        _integer("markout_settlement_2_e4", "twice (paid less price); empty without a winner"),
        _integer("paired_u6", "how many of its shares found a partner, first in first out"),
        _integer("pair_cost_e4u6", "the cost of its pairs, price times shares"),
        _integer("paired_after_ns", "until its last paired share had a partner"),
        *(_integer(f"{part}2_e4u6", f"twice the profit's part {part}") for part in PARTS),
    ),
    "intervals": (
        _SLUG,
        _text("outcome", "up or down"),
        _integer("from_ns", "when it began"),
        _integer("until_ns", "when it ended"),
        _text("obstacle", "why no bid of this outcome rested; none when one did"),
        _integer("quote_e4", "the price of the bid that rested"),
    ),
    "seconds": (
        _SLUG,
        _integer("at_ns", "the first decision of a second"),
        _integer("up_bid_e4", "the best bid for Up"),
        _integer("up_ask_e4", "the best ask for Up"),
        _integer("up_quote_e4", "our bid for Up"),
        _integer("down_quote_e4", "our bid for Down"),
        _integer("up_ofi_u6", "the flow's score of Up, in shares"),
        _integer("down_ofi_u6", "that of Down"),
        _integer("up_threshold_u6", "from where on Up's flow is toxic"),
        _integer("down_threshold_u6", "from where on Down's is"),
        _flag("toxic", "whether either is"),
    ),
}

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


def text(name: str, meaning: str) -> Column:
    """Words."""
    return Column(name, ColumnKind.TEXT, meaning)


def integer(name: str, meaning: str) -> Column:
    """A whole number of 64 bits."""
    return Column(name, ColumnKind.INTEGER, meaning)


def flag(name: str, meaning: str) -> Column:
    """True or false."""
    return Column(name, ColumnKind.FLAG, meaning)


_SLUG = text("slug", "the window")
PARTS = ("spread", "adverse", "residual", "unknown")
PARTITIONS = (
    text("day", "the UTC day in which the window opened, as in 2026-11-27"),
    text("series", "the series, as in btc-5m"),
)
"""Of every table; they are folders, and `load` gives them as columns."""

TABLES: dict[str, tuple[Column, ...]] = {
    "windows": (
        _SLUG,
        text("source", "the name of the file that was replayed"),
        text("kind", "recording or journal"),
        text("fill_model", "the model whose fills the engine saw; empty for a journal"),
        text("settings", "the strategy's parameters as JSON"),
        text("fingerprint", "of the engine's outputs"),
        text("inferred", "what the recording did not say and was inferred, with commas between"),
        integer("open_ns", "when the window opened"),
        integer("close_ns", "when it closed"),
        text("winner", "up or down; empty when it is not known"),
        text("winner_source", "who says so"),
        integer("up_worth2_e4", "twice what an Up share paid, or its last mid without a winner"),
        integer("up_u6", "Up shares bought"),
        integer("down_u6", "Down shares bought"),
        integer("cost_e4u6", "price times shares of all that was bought"),
        integer("profit2_e4u6", "twice worth less cost; empty without a worth"),
        integer("orders", "orders placed"),
        integer("quoting_ns", "how long bids might rest"),
        integer("both_rest_ns", "how long both did"),
    ),
    "ledgers": (
        _SLUG,
        text("fill_model", "pessimistic, central or optimistic"),
        integer("up_u6", "Up shares bought"),
        integer("down_u6", "Down shares bought"),
        integer("cost_e4u6", "price times shares"),
        integer("profit2_e4u6", "twice worth less cost; empty without a worth"),
    ),
    "fills": (
        _SLUG,
        text("trade_id", "of the venue, or of paper"),
        text("outcome", "up or down"),
        flag("hedge", "whether it lowered the net difference"),
        flag("failed", "whether the chain refused it: it earned nothing"),
        integer("at_ns", "when it was heard of"),
        integer("since_open_ns", "the same since the window opened"),
        integer("price_e4", "the price"),
        integer("size_u6", "the shares"),
        integer("rested_ns", "how long its order had rested"),
        text("reason", "why its bid was sent: balanced (for a new pair) or hedge; empty: not ours"),
        integer("ahead_u6", "shares that the book displayed at its price when it was sent"),
        text("phase", "the window's phase at the fill: quoting, winding_down or cancelling, ..."),
        text("flow", "the state of its outcome's flow at the fill: calm, toxic or recovering"),
        flag("toxic", "whether either outcome's flow was toxic"),
        integer("ofi_score_u6", "the flow's score of its outcome, in shares"),
        integer("mid2_e4", "twice the mid of its outcome at the fill"),
        *(
            integer(f"markout_{s}s_2_e4", f"twice (mid less price) {s} s after the fill")
            for s in HORIZONS_S
        ),
        integer("markout_settlement_2_e4", "twice (paid less price); empty without a winner"),
        integer("paired_u6", "how many of its shares found a partner, first in first out"),
        integer("pair_cost_e4u6", "the cost of its pairs, price times shares"),
        integer("paired_after_ns", "until its last paired share had a partner"),
        *(integer(f"{part}2_e4u6", f"twice the profit's part {part}") for part in PARTS),
    ),
    "intervals": (
        _SLUG,
        text("outcome", "up or down"),
        integer("from_ns", "when it began"),
        integer("until_ns", "when it ended"),
        text("obstacle", "why no bid of this outcome rested; none when one did"),
        integer("quote_e4", "the price of the bid that rested"),
    ),
    "seconds": (
        _SLUG,
        integer("at_ns", "the first decision of a second"),
        integer("up_bid_e4", "the best bid for Up"),
        integer("up_ask_e4", "the best ask for Up"),
        integer("up_quote_e4", "our bid for Up"),
        integer("down_quote_e4", "our bid for Down"),
        integer("up_ofi_u6", "the flow's score of Up, in shares"),
        integer("down_ofi_u6", "that of Down"),
        integer("up_threshold_u6", "from where on Up's flow is toxic"),
        integer("down_threshold_u6", "from where on Down's is"),
        flag("toxic", "whether either is"),
    ),
}

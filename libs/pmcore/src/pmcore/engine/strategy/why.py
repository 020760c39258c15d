"""Why nothing rests on a side: a closed list of obstacles, each with a sentence for a person.

`explain` answers for both sides after each decision. For every state in which no bid rests, the
answer names the first thing that would have to change; it is empty only for a bid that rests.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from pmcore.model.market import Outcome


class Obstacle(StrEnum):
    """What keeps a side without a bid, in the order in which it is looked for."""

    NONE = "none"
    STARTING = "starting"
    # orders on their way
    BID_SENT = "bid_sent"
    BID_UNKNOWN = "bid_unknown"
    CANCELLING = "cancelling"
    # nothing may rest
    HALTED = "halted"
    MIN_SIZE = "min_size"
    VENUE_REFUSES = "venue_refuses"
    NOT_FLAT_YET = "not_flat_yet"
    WINDOW_STATE = "window_state"
    FEED = "feed"
    USER_CHANNEL = "user_channel"
    UNACCOUNTED_FILLS = "unaccounted_fills"
    POSITIONS = "positions"
    CLOSED_ONLY = "closed_only"
    # no quote is wanted
    TOXIC = "toxic"
    FIRST_BOOK = "first_book"
    BOOK_STALE = "book_stale"
    BOOK_BROKEN = "book_broken"
    BOOK_ONE_SIDED = "book_one_sided"
    LIMIT = "limit"
    NO_NEW_RISK = "no_new_risk"
    FIRST_LEG_GATE = "first_leg_gate"
    UNDERLYING = "underlying"
    FAIR_VALUE = "fair_value"
    NO_SECOND_LEG = "no_second_leg"
    PAIR_RISK = "pair_risk"
    EXCESS_SIDE = "excess_side"
    HEDGE_WITHOUT_PRICE = "hedge_without_price"
    # a quote is wanted, and waits
    GATE = "gate"
    VENUE_MODE = "venue_mode"
    ORDER_CAP = "order_cap"
    TRADE_AWAITED = "trade_awaited"
    DEBOUNCE = "debounce"
    BACK_OFF = "back_off"
    RISK = "risk"


class Why(msgspec.Struct, frozen=True):
    """An obstacle and its sentence; `detail` holds what changes from moment to moment."""

    obstacle: Obstacle
    text: str = ""
    detail: str = ""

    @property
    def sentence(self) -> str:
        """What a person reads; "" when the bid rests."""
        return f"{self.text}: {self.detail}" if self.detail else self.text


RESTS = Why(Obstacle.NONE)
STARTING = Why(Obstacle.STARTING, "starting: nothing was decided yet")


def both(why: Why) -> dict[Outcome, Why]:
    """The same answer for both sides."""
    return dict.fromkeys(Outcome, why)


def as_one_line(whys: dict[Outcome, Why]) -> str:
    """Both answers in one line; one when they are the same, "" when both bids rest."""
    said = {outcome.value: why.sentence for outcome, why in whys.items()}
    if len(set(said.values())) == 1:
        return next(iter(said.values()))
    return "; ".join(f"{name}: {text}" for name, text in said.items() if text)

"""The answer to "why does nothing rest", read from a session after its decision; changes nothing.

`explain` follows the order of the decision itself: an order on its way, a hold, no target, a
target that waits. So its answer is the first obstacle that the decision met.
"""

from __future__ import annotations

from typing import assert_never

from pmcore.engine.strategy.session import OUTCOMES, MarketSession
from pmcore.engine.strategy.why import RESTS, Obstacle, Why
from pmcore.machines.book import BookState
from pmcore.machines.inventory import Position
from pmcore.machines.order_lifecycle import OrderState, OwnOrder
from pmcore.machines.quoting import QuoteMode, Targets
from pmcore.messages.execution import VenueMode
from pmcore.model.market import Outcome
from pmcore.model.units import NS_PER_MS, NS_PER_S, PRICE_ONE_E4, SHARE_U6, format_qty


def explain(session: MarketSession, at_ns: int, targets: Targets) -> dict[Outcome, Why]:
    """Why no bid rests, side by side."""
    held = session.holding(at_ns)
    return {outcome: _side(session, at_ns, targets, outcome, held) for outcome in OUTCOMES}


def _side(
    session: MarketSession, at_ns: int, targets: Targets, outcome: Outcome, held: Why | None
) -> Why:
    order = session.orders.slot(outcome)
    wanted = held or _untargeted(session, at_ns, targets, outcome)
    if order is not None:
        return _on_its_way(order, wanted)
    return wanted or _waiting(session, at_ns, outcome)


def _on_its_way(order: OwnOrder, wanted: Why | None) -> Why:
    if order.cancel_requested_ns is not None:
        text = wanted.sentence if wanted else "a better price comes next"
        return Why(Obstacle.CANCELLING, "the bid is being cancelled", text)
    if order.state is OrderState.RESTING:
        return RESTS
    if order.state is OrderState.UNKNOWN:
        return Why(Obstacle.BID_UNKNOWN, "a bid got no answer; the venue is asked about it")
    return Why(Obstacle.BID_SENT, "a bid was sent; waiting for the venue's answer")


def _untargeted(
    session: MarketSession, at_ns: int, targets: Targets, outcome: Outcome
) -> Why | None:
    """Why no quote is wanted on a side, None when one is."""
    if targets.quote(outcome) is not None:
        return None
    match targets.mode:
        case QuoteMode.TOXIC:
            return _toxic(session)
        case QuoteMode.NO_BOOK:
            return book_why(session, at_ns) or _no_book(session)
        case QuoteMode.NOT_OPEN:
            return _not_open(session)
        case QuoteMode.GATED:
            return Why(Obstacle.FIRST_LEG_GATE, "no new pair now", session.first_leg.closed)
        case QuoteMode.UNDERLYING | QuoteMode.FAIR_VALUE:
            return _by_the_underlying(session, at_ns, outcome)
        case QuoteMode.HEDGE:
            return _hedge(session, outcome)
        case QuoteMode.RISK:
            return Why(
                Obstacle.PAIR_RISK, session.decision.hold_reason or "both bids break a limit"
            )
        case QuoteMode.HOLD | QuoteMode.BALANCED:
            text = session.decision.hold_reason or "one of the two bids has no price"
            return Why(Obstacle.NO_SECOND_LEG, text)
        case _:
            assert_never(targets.mode)


def _by_the_underlying(session: MarketSession, at_ns: int, outcome: Outcome) -> Why:
    """Which of the two rules on the underlying's price took this bid away."""
    if outcome in session.underlying.endangered(at_ns):
        text = "the underlying's price endangers this bid"
        return Why(Obstacle.UNDERLYING, text, session.underlying.reason(at_ns))
    text = "this bid is above its fair value"
    return Why(Obstacle.FAIR_VALUE, text, session.fair_value.reason(at_ns, outcome))


def _toxic(session: MarketSession) -> Why:
    toxic = [outcome for outcome in OUTCOMES if session.flows[outcome].toxic]
    parts = []
    for outcome in toxic:
        flow = session.flows[outcome]
        score, limit = flow.flow.score_u6 / SHARE_U6, flow.thresholds.enter_u6 / SHARE_U6
        parts.append(f"{outcome.value} {score:+g} shares, threshold {limit:g}")
    return Why(Obstacle.TOXIC, "toxic order flow; waiting until it is calm", ", ".join(parts))


def book_why(session: MarketSession, at_ns: int) -> Why | None:
    """What is wrong with the books, None when a whole and fresh one is there."""
    if any(session.book_fresh(at_ns, outcome) for outcome in OUTCOMES):
        return None
    received_ns = [session.books.touch(outcome).ts_recv_ns for outcome in OUTCOMES]
    states = {session.books.state(outcome) for outcome in OUTCOMES}
    if BookState.LIVE in states:
        age_s = (at_ns - max(received_ns)) // NS_PER_S
        return Why(Obstacle.BOOK_STALE, "the books are stale", f"no market data for {age_s} s")
    if BookState.CROSSED in states or BookState.GAP in states:
        named = ", ".join(f"{o.value} {session.books.state(o).value}" for o in OUTCOMES)
        return Why(Obstacle.BOOK_BROKEN, "the books contradict the venue's", named)
    return Why(Obstacle.FIRST_BOOK, "waiting for the first whole book from the feed")


def _no_book(session: MarketSession) -> Why:
    named = []
    for outcome in OUTCOMES:
        touch = session.books.touch(outcome)
        for side, price in (("bid", touch.bid_e4), ("ask", touch.ask_e4)):
            named += [] if price is not None else [f"no {side} for {outcome.value}"]
    return Why(Obstacle.BOOK_ONE_SIDED, "a side of the book is empty", ", ".join(named))


def _not_open(session: MarketSession) -> Why:
    if text := _limit_text(session):
        return Why(Obstacle.LIMIT, text)
    if session.loss_limit.reached:
        return Why(Obstacle.NO_NEW_RISK, f"{session.loss_limit.reached} reached: no new risk")
    return Why(Obstacle.NO_NEW_RISK, "the window ends soon: no new risk, only hedges")


def _limit_text(session: MarketSession) -> str:
    """The limit that is reached on any view, with its figure and its variable."""
    for view in (session.inventory.working, session.inventory.settled):
        if text := _broken_limit(session, view):
            return text
    for view in session.worst_views:
        if text := _broken_limit(session, view):
            return f"{text} if matched shares are taken back or not told yet"
    return ""


def _broken_limit(session: MarketSession, view: Position) -> str:
    limits = session.params.limits
    if abs(view.net_diff_u6) >= limits.max_net_diff_u6:
        net, limit = format_qty(abs(view.net_diff_u6)), format_qty(limits.max_net_diff_u6)
        return f"net difference of {net} shares: PM_MAX_NET_DIFF={limit} is reached"
    if not view.portfolio_cost_below(limits.max_portfolio_cost_e4):
        limit = f"{limits.max_portfolio_cost_e4 / PRICE_ONE_E4:g}"
        cost = f"{view.portfolio_cost_dollars:.4g}"
        return f"pair cost {cost}: PM_MAX_PORTFOLIO_COST={limit} is reached"
    for outcome in OUTCOMES:
        if not view.value_below(outcome, limits.max_position_value_u6):
            value = f"{view.holding(outcome).in_use_e4u6 / PRICE_ONE_E4 / SHARE_U6:.4g}"
            limit = format_qty(limits.max_position_value_u6)
            return f"{value} dollars in {outcome.value}: PM_MAX_POSITION_VALUE={limit} is reached"
    return ""


def _hedge(session: MarketSession, outcome: Outcome) -> Why:
    net_u6 = session.inventory.working.net_diff_u6
    excess = Outcome.UP if net_u6 > 0 else Outcome.DOWN
    if outcome is excess:
        more = format_qty(abs(net_u6))
        other = excess.complement.value
        text = f"{more} more {excess.value} than {other} are held: only {other} is bid for"
        return Why(Obstacle.EXCESS_SIDE, text)
    if session.books.touch(outcome).ask_e4 is None:
        return Why(Obstacle.HEDGE_WITHOUT_PRICE, f"the hedge has no price: no ask for {outcome}")
    target = f"{session.params.pair_target_e4 / PRICE_ONE_E4:g}"
    text = f"the hedge has no price: a pair would cost PM_PAIR_TARGET={target} or more"
    return Why(Obstacle.HEDGE_WITHOUT_PRICE, text)


def _waiting(session: MarketSession, at_ns: int, outcome: Outcome) -> Why:
    """A quote is wanted and no order was made: what it waits for."""
    if not session.gate.open:
        return Why(Obstacle.GATE, "the executor does not place", session.gate.reason)
    if blocked := session.placing_blocked(at_ns):
        normal = session.venue_mode.at(at_ns) is VenueMode.NORMAL
        return Why(Obstacle.ORDER_CAP if normal else Obstacle.VENUE_MODE, blocked)
    if session.orders.owes(outcome):
        text = f"waiting for the trade of matched {outcome.value} shares"
        return Why(Obstacle.TRADE_AWAITED, text)
    side = session.sides[outcome]
    if at_ns < side.blocked_until_ns:
        wait_ms = (side.blocked_until_ns - at_ns) // NS_PER_MS
        refused = side.last_failure or "a refusal"
        return Why(Obstacle.BACK_OFF, f"waiting after {refused}", f"{wait_ms} ms left")
    last_ns = side.last_placed_ns
    if last_ns is not None and at_ns - last_ns < session.params.debounce_ns:
        text = f"PM_DEBOUNCE_MS={session.params.debounce_ns // NS_PER_MS} between two bids"
        return Why(Obstacle.DEBOUNCE, text)
    refusal = session.decision.risk_refusals.get(outcome)
    if refusal is not None:
        return Why(Obstacle.RISK, f"a bid could break {refusal.value}")
    return Why(Obstacle.STARTING, "the next decision places a bid")

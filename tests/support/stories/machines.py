"""Stories of single machines: thousands of rolled situations each."""

from __future__ import annotations

from collections.abc import Iterator

from pmcore.machines.dead_man_switch import DeadManSwitch
from pmcore.machines.feed import FeedSession
from pmcore.machines.inventory import Position
from pmcore.machines.ofi import OutcomeFlow
from pmcore.machines.ofi_threshold import ThresholdSource, WarmStart
from pmcore.machines.placement import SlotView, action_for
from pmcore.machines.quoting import Quote, QuoteView, SideView, decide
from pmcore.machines.rate_budget import RateBudget, RateTier
from pmcore.machines.risk import Exposure, refuse
from pmcore.machines.rotation import WindowClock
from pmcore.machines.venue_mode import VenueModes
from pmcore.messages.execution import VenueMode
from pmcore.model.market import Outcome, TakerSide
from pmcore.model.params import LimitParams, OfiMode, OfiParams, OfiScope
from pmcore.model.units import NS_PER_MS, NS_PER_S
from support.builders import T0_NS, at, params, window
from support.stories.dice import Dice, text

SHARE = 1_000_000


def position(dice: Dice) -> Position:
    """Holdings of a few shares, at prices of any kind."""
    held = Position()
    for outcome in Outcome:
        for _ in range(dice.upto(2)):
            price_e4 = dice.between(1, 99) * 100 + dice.upto(9) * 10
            held = held.with_buy(outcome, price_e4, dice.upto(1_000) * 10_000)
    return held


def quoting() -> Iterator[str]:
    """Targets of rolled views."""
    dice = Dice(1)
    for _ in range(4_000):
        tick_e4 = dice.pick((100, 10, 25, 50))
        sides = []
        for _ in Outcome:
            bid = dice.between(1, 98) * 100 // tick_e4 * tick_e4
            ask = min(bid + dice.between(1, 8) * tick_e4, 9_990)
            sides.append(SideView(dice.maybe(90, bid), dice.maybe(90, ask), dice.upto(3)))
        if dice.chance(60):  # one merged book
            mid, half = dice.between(5, 95) * 100, dice.between(1, 3) * tick_e4
            if dice.chance(25):  # at the very edge
                mid = dice.pick((half + tick_e4, half + 2 * tick_e4, 10_000 - half - tick_e4))
            up = SideView(mid - half, mid + half, dice.upto(1))
            sides = [up, SideView(10_000 - mid - half, 10_000 - mid + half, dice.upto(1))]
        view = QuoteView(
            up=sides[0],
            down=sides[1],
            position=position(dice) if dice.chance(70) else Position(),
            can_open=dice.chance(80),
            toxic=dice.chance(15),
            scope=dice.pick(OfiScope),
            tick_e4=tick_e4,
            pair_target_e4=dice.pick((9_900, 9_850, 9_500, 9_899)),
            bid_size_u6=dice.pick((5, 7, 10)) * SHARE,
            min_size_u6=5 * SHARE,
            new_risk=dice.chance(85),
        )
        yield text(decide(view))


def risk() -> Iterator[str]:
    """Refusals of rolled orders beside rolled orders."""
    dice = Dice(2)
    for _ in range(4_000):
        others = [_exposure(dice) for _ in range(dice.upto(3))]
        views = [position(dice) if dice.chance(70) else Position() for _ in range(2)]
        limits = LimitParams(
            max_net_diff_u6=dice.between(3, 20) * SHARE,
            max_portfolio_cost_e4=dice.pick((10_200, 9_900, 10_500)),
            max_position_value_u6=dice.between(2, 9) * SHARE,
        )
        yield text(refuse(_exposure(dice), others, views, limits), views[0].can_open(limits))


def _exposure(dice: Dice) -> Exposure:
    return Exposure(dice.pick(Outcome), dice.between(10, 90) * 50, dice.upto(20) * 500_000)


def placement() -> Iterator[str]:
    """Actions for rolled slots."""
    dice = Dice(3)
    for _ in range(3_000):
        slot = SlotView(
            price_e4=dice.between(40, 50) * 10,
            leaves_u6=dice.between(1, 8) * SHARE,
            occupied=dice.chance(60),
            cancelling=dice.chance(25),
            last_placed_ns=dice.maybe(70, dice.upto(10)),
            blocked_until_ns=dice.upto(12),
        )
        target = dice.maybe(75, Quote(dice.between(40, 50) * 10, dice.between(3, 7) * SHARE))
        at_ns, debounce_ns = 10, dice.upto(6)
        yield action_for(
            target,
            slot,
            at_ns=at_ns,
            debounce_ns=debounce_ns,
            reprice_threshold_e4=dice.pick((0, 20, 50)),
        ).value


def budgets() -> Iterator[str]:
    """Tokens of every tier over rolled traffic."""
    dice = Dice(4)
    for tier in RateTier:
        budget, at_ns = RateBudget(tier, 20), T0_NS
        yield text(tier.value, budget.max_cancel_batch)
        for _ in range(120):
            at_ns += dice.upto(300) * NS_PER_MS - dice.upto(5)
            for bucket in (budget.orders, budget.cancels):
                match dice.upto(9):
                    case 0:
                        bucket.correct(at_ns, dice.upto(100))
                    case 1:
                        bucket.block(at_ns + dice.upto(200) * NS_PER_MS)
                    case _:
                        bucket.take(at_ns, dice.upto(bucket.rate_per_s // 3))
            yield text(
                budget.orders.tokens(at_ns),
                budget.cancels.tokens(at_ns),
                budget.orders.blocked(at_ns),
                budget.may_place(at_ns, dice.upto(60)),
            )


def heartbeats() -> Iterator[str]:
    """The dead man's switch: answered, refused, failed, unhealthy."""
    dice, beat, at_ns = Dice(5), DeadManSwitch(), 0
    for number in range(1_500):
        at_ns += dice.upto(2_500) * NS_PER_MS
        due = beat.due(at_ns, healthy=dice.chance(90))
        yield text(due, beat.age_ns(at_ns), beat.failures, beat.placing_allowed(at_ns))
        if due is None:
            continue
        yield text(beat.due(at_ns + 60 * NS_PER_S, healthy=True))
        at_ns += dice.upto(500) * NS_PER_MS
        match dice.upto(5):
            case 0:
                beat.refused(at_ns, f"expected-{number}")
            case 1:
                beat.failed(at_ns)
            case _:
                beat.accepted(f"id-{number}")


def modes() -> Iterator[str]:
    """What the venue says of itself, and for how long it is believed."""
    dice, modes_, at_ns = Dice(6), VenueModes(), T0_NS
    for _ in range(1_500):
        at_ns += dice.upto(90) * NS_PER_S
        changed = False
        match dice.upto(3):
            case 0:
                after_ms = dice.maybe(50, dice.upto(900_000))
                changed = modes_.learned(at_ns, dice.pick(VenueMode), after_ms)
            case 1:
                changed = modes_.accepted()
            case _:
                changed = modes_.advance(at_ns)
        until_ns = None if modes_.until_ns is None else modes_.until_ns - at_ns
        yield text(changed, modes_.mode, until_ns, modes_.refusal())


def windows() -> Iterator[str]:
    """The life of windows, with words that come early, late, twice and never."""
    dice = Dice(7)
    for _ in range(150):
        length_s = dice.pick((300, 900, 60))
        clock = WindowClock(
            window(length_s=length_s), params(stop_new_risk_ns=dice.maybe(30, 2 * NS_PER_S))
        )
        yield text(clock.stop_new_risk_ns - T0_NS, clock.cancel_ns - T0_NS)
        t = -dice.upto(20)
        for _ in range(40):
            t += dice.pick((1, 5, 60, length_s // 3))
            match dice.upto(9):
                case 0 | 1 | 2:
                    clock.flat()
                case 3:
                    clock.resolved(at(t))
                case 4 if dice.chance(30):
                    clock.wind_down()
                case _:
                    pass
            changed = clock.advance(at(t))
            yield text(t, changed, clock.state, clock.may_quote, clock.may_open)


def flows() -> Iterator[str]:
    """Toxicity in both modes, with and without a warm start."""
    dice = Dice(8)
    for number in range(8):
        mode = OfiMode.ADAPTIVE if number % 2 else OfiMode.FIXED
        rules = OfiParams(mode=mode, threshold_u6=20 * SHARE, min_samples=10, cap_u6=60 * SHARE)
        warm = WarmStart(tuple(tuple(range(n, 40 * SHARE, SHARE)) for n in range(3)))
        thresholds = ThresholdSource(rules, 900 * NS_PER_S, dice.maybe(50, warm))
        flow, at_ns, mid2_e4 = OutcomeFlow(rules, thresholds), T0_NS, 10_000
        for _ in range(500):
            at_ns += dice.upto(700) * NS_PER_MS
            mid2_e4 += dice.pick((0, 0, 10, -10, 40, -40))
            flow.mids.note(at_ns, mid2_e4)
            if dice.chance(70):
                side = TakerSide.BUY if dice.chance(60) else TakerSide.SELL
                flow.trade(at_ns, side, dice.upto(15) * SHARE, tick_e4=10)
            flow.advance(at_ns, tick_e4=10)
            level_u6 = abs(flow.flow.score_u6)
            thresholds.sample(at_ns, at_ns - T0_NS, level_u6)
            yield text(
                *(flow.state, flow.exit_u6, flow.flow.buys_u6, flow.flow.sells_u6),
                *(thresholds.enter_u6, flow.mids.move2_e4(at_ns)),
            )
        yield text(thresholds.warm_start())


def feeds() -> Iterator[str]:
    """When market data may be trusted: sockets, REST, silence."""
    dice = Dice(9)
    for _ in range(40):
        session = FeedSession(open_ns=at(0), close_ns=at(60), silent_ns=3 * NS_PER_S)
        at_ns = at(-5)
        for _ in range(150):
            at_ns += dice.pick((50, 100, 100, 400, 1_500)) * NS_PER_MS
            roll = dice.upto(99)
            if roll < 4:
                actions = session.on_connected(at_ns)
            elif roll < 6:
                actions = session.on_disconnected("gone")
            elif roll < 20:
                actions = session.on_data(at_ns, usable=dice.chance(80))
            elif roll < 23:
                actions = session.on_gap(at_ns, "gap")
            elif roll < 33:
                actions = session.on_books(at_ns, usable=dice.chance(75), missed=dice.chance(20))
            elif roll < 37:
                actions = session.on_books_failed(at_ns)
            else:
                actions = session.on_tick(at_ns)
            said = [(type(action).__name__, action) for action in actions]
            yield text(said, session.state, session.reason, session.last_data_ns - T0_NS)

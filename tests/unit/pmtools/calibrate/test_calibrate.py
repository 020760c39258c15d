"""`pm calibrate`: bids of a journal whose truth is known, beside the three models of fills."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from pmcore.engine.journal import JournalEnd
from pmcore.engine.strategy.engine import Output
from pmcore.engine.strategy.journal import JournalEntry, JournalHeader, encode_line
from pmcore.machines.rotation import WindowState
from pmcore.messages.execution import OrderAccepted, OrderSubmitting
from pmcore.messages.market_data import BookDelta, BookSnapshot, LevelChange
from pmcore.messages.timers import BatchEnded, Tick
from pmcore.messages.union import EngineEvent
from pmcore.messages.user import OrderUpdateKind
from pmcore.model.market import BookSide, Outcome, TakerSide
from pmcore.model.params import StrategyParams
from pmsim.queue.line import FillModel
from pmsim.queue.paper_reports import order_hash_of
from pmtools.calibrate.command import calibration_of
from pmtools.calibrate.figures import FEWEST_FILLED, figures_of, nearest_model
from pmtools.calibrate.on_paper import Filled, OwnBid, read_bids
from pmtools.calibrate.own_size import without_own
from pmtools.cli import main
from pmtools.errors import UsageError
from pmtools.replay.inputs import find_inputs
from pmtools.replay.journals import JournalParts
from support.builders import T0_NS, at, book, params, trade, window
from support.engine_driver import DOWN, UP, EngineDriver, hash_of

PESSIMISTIC, CENTRAL, OPTIMISTIC = FillModel.PESSIMISTIC, FillModel.CENTRAL, FillModel.OPTIMISTIC


class JournalDriver(EngineDriver):
    """Drives an engine and writes down each input, as the strategy does."""

    def __init__(self, path: Path) -> None:
        strategy: StrategyParams = params()
        super().__init__(strategy, window(tick="0.01"))
        header = JournalHeader(
            window=self.window, params=strategy, run_id="r1", warm_start={}, prior_loss_u6=0
        )
        self._path, self._lines = path, [encode_line(header)]

    def batch(self, t: float, *events: EngineEvent) -> list[Output]:
        given = (*(events or (Tick(),)), BatchEnded())
        self._lines += [encode_line(JournalEntry(at(t), event)) for event in given]
        return super().batch(t, *events)

    def read(self) -> JournalParts:
        end = encode_line(JournalEnd(self.engine.fingerprint))
        self._path.write_bytes(b"\n".join([*self._lines, end]) + b"\n")
        (journal,) = find_inputs([self._path], None).found
        assert isinstance(journal, JournalParts)
        return journal


@pytest.fixture
def driver(tmp_path: Path) -> JournalDriver:
    """Two bids rest since 1.2 s, each behind 100 shares: Up at 0.46, Down at 0.52."""
    driver = JournalDriver(tmp_path / "window.jsonl")
    driver.start(1)
    driver.books(1.1, "0.46/0.48", "0.52/0.54")
    driver.accept(1.2)
    assert [order.price_e4 for order in driver.session.orders.alive()] == [4600, 5200]
    return driver


def up_bid(driver: JournalDriver) -> OwnBid:
    return next(bid for bid in read_bids(driver.read()).bids if bid.order_id.endswith(".1"))


def order_id_of(driver: JournalDriver) -> str:
    order = driver.session.orders.slot(UP)
    assert order is not None
    return order.client_order_id


def filled_u6(bid: OwnBid) -> dict[str, int]:
    told = {model.value: bid.models[model].qty_u6 for model in FillModel}
    return {"venue": bid.venue.qty_u6, **told}


def test_a_trade_reaches_a_bid_after_what_is_ahead_of_it(driver: JournalDriver) -> None:
    order_id = order_id_of(driver)
    driver.batch(3, trade(UP, TakerSide.SELL, "103", at_ns=at(3), price="0.46"))
    driver.batch(3.2, driver.filled(3.2, order_id, UP, "3", "0.46"))
    bid = up_bid(driver)
    assert filled_u6(bid) == {
        "venue": 3_000_000,
        "pessimistic": 3_000_000,
        "central": 3_000_000,
        "optimistic": 5_000_000,
    }
    assert (bid.rests_ns, bid.venue.first_ns, bid.models[CENTRAL].first_ns) == (
        at(1.2),
        at(3.2),
        at(3),
    )
    assert bid.phase is WindowState.QUOTING


def test_our_own_shares_in_the_book_are_not_ahead_of_us(driver: JournalDriver) -> None:
    driver.batch(2, book(UP, "0.46", "0.48", at_ns=at(2), size="45"))  # 40 of others, 5 of ours
    driver.batch(3.1, trade(UP, TakerSide.SELL, "42", at_ns=at(3.1), price="0.46"))
    assert filled_u6(up_bid(driver)) == {
        "venue": 0,
        "pessimistic": 0,
        "central": 2_000_000,
        "optimistic": 5_000_000,
    }


@pytest.mark.parametrize("event_first", [False, True])
@pytest.mark.parametrize(("print_s", "central_u6"), [(3.9, 5_000_000), (4.3, 0)])
def test_the_print_of_a_reported_fill_may_come_a_moment_later(
    driver: JournalDriver, print_s: float, central_u6: int, *, event_first: bool
) -> None:
    order_id = order_id_of(driver)
    if event_first:
        update = OrderUpdateKind.UPDATE
        driver.batch(3, driver.user_order(3, order_id, update, matched=5_000_000))
    driver.batch(3, driver.filled(3, order_id, UP, "5", "0.46"))
    driver.batch(print_s - 0.1)
    driver.batch(print_s, trade(UP, TakerSide.SELL, "105", at_ns=at(print_s), price="0.46"))
    bid = up_bid(driver)
    assert (bid.venue.qty_u6, bid.models[CENTRAL].qty_u6) == (5_000_000, central_u6)
    assert bid.ended_ns == at(3)


def test_a_cancelled_bid_leaves_every_queue(driver: JournalDriver) -> None:
    driver.batch(5)  # the books are stale: both bids are cancelled
    driver.confirm_cancel(5.1)
    driver.batch(5.2, trade(UP, TakerSide.SELL, "500", at_ns=at(5.2), price="0.46"))
    bid = up_bid(driver)
    assert bid.ended_ns == at(5.1)
    assert set(filled_u6(bid).values()) == {0}


def test_a_repeated_report_counts_once_and_a_fill_before_the_bid_was_known_is_told(
    tmp_path: Path,
) -> None:
    driver = JournalDriver(tmp_path / "window.jsonl")
    driver.start(1)
    driver.books(1.1, "0.46/0.48", "0.52/0.54")
    first, second = driver.submits
    driver.accept(1.2, first)
    named = {
        "slug": second.slug,
        "client_order_id": second.client_order_id,
        "order_hash": hash_of(second.client_order_id),
        "ts_exec_ns": at(1.2),
    }
    driver.batch(1.2, OrderSubmitting(**named))  # type: ignore[arg-type] # a dict for its fields
    driver.batch(1.3, driver.filled(1.3, second.client_order_id, DOWN, "5", "0.52"))
    report = driver.filled(1.4, first.client_order_id, UP, "2", "0.46", trade_id="once")
    driver.batch(1.4, report)
    driver.batch(1.5, report)
    told = read_bids(driver.read())
    assert [bid.venue.qty_u6 for bid in told.bids] == [2_000_000]
    assert told.filled_at_once == 1


def test_a_run_on_paper_is_refused(tmp_path: Path) -> None:
    driver = JournalDriver(tmp_path / "window.jsonl")
    driver.start(1)
    driver.books(1.1, "0.46/0.48", "0.52/0.54")
    order = driver.submits[0]
    named = {
        "slug": order.slug,
        "client_order_id": order.client_order_id,
        "order_hash": order_hash_of(order),
        "ts_exec_ns": at(1.2),
    }
    driver.batch(1.2, OrderSubmitting(**named), OrderAccepted(**named))  # type: ignore[arg-type] # one dict for both
    report = driver.filled(2, order.client_order_id, UP, "5", "0.46")
    driver.batch(2, msgspec.structs.replace(report, order_hash=order_hash_of(order)))
    with pytest.raises(UsageError, match="run on paper"):
        read_bids(driver.read())


OWN = {(UP, 4600): 5_000_000}


def test_own_shares_go_from_the_own_book_and_from_the_complements() -> None:
    up = without_own(book(UP, "0.46", "0.48", size="105"), OWN)
    down = without_own(book(DOWN, "0.52", "0.54", size="100", ask_size="5"), OWN)
    assert isinstance(up, BookSnapshot)
    assert isinstance(down, BookSnapshot)
    assert (up.bids, up.asks) == (((4600, 100_000_000),), ((4800, 105_000_000),))
    assert (down.bids, down.asks) == (((5200, 100_000_000),), ())


@pytest.mark.parametrize(
    ("outcome", "side", "price_e4", "size_u6", "left_u6"),
    [
        (UP, BookSide.BID, 4600, 7_000_000, 2_000_000),
        (DOWN, BookSide.ASK, 5400, 7_000_000, 2_000_000),
        (UP, BookSide.BID, 4600, 3_000_000, 0),
        (UP, BookSide.ASK, 4600, 7_000_000, 7_000_000),
        (DOWN, BookSide.BID, 4600, 7_000_000, 7_000_000),
    ],
)
def test_own_shares_go_from_a_change(
    outcome: Outcome, side: BookSide, price_e4: int, size_u6: int, left_u6: int
) -> None:
    change = LevelChange(outcome, side, price_e4, size_u6)
    delta = BookDelta(slug="s", changes=(change,), ts_event_ns=1, ts_recv_ns=1)
    told = without_own(delta, OWN)
    assert isinstance(told, BookDelta)
    assert [one.size_u6 for one in told.changes] == [left_u6]
    assert without_own(delta, {}) is delta


def bid_of(
    number: int, venue_u6: int, *models_u6: int, phase: WindowState = WindowState.QUOTING
) -> OwnBid:
    return OwnBid(
        slug=f"w{number % 2}",
        order_id=f"{number}",
        size_u6=10_000_000,
        phase=phase,
        rests_ns=T0_NS,
        venue=Filled(venue_u6, at(2) if venue_u6 else None),
        models={
            model: Filled(qty_u6, at(4) if qty_u6 else None)
            for model, qty_u6 in zip(FillModel, models_u6, strict=True)
        },
    )


def test_figures_say_how_much_was_filled_when_and_inside_which_bounds() -> None:
    inside = bid_of(1, 4_000_000, 2_000_000, 5_000_000, 10_000_000)
    outside = bid_of(2, 0, 1_000_000, 1_000_000, 1_000_000, phase=WindowState.WINDING_DOWN)
    everything, quoting, winding_down = figures_of([inside, outside])
    assert (everything.phase, everything.windows, everything.bids) == ("all", 2, 2)
    assert (everything.inside_part, quoting.inside_part, winding_down.inside_part) == (0.5, 1, 0)
    assert everything.truth.filled_part == 0.2
    assert everything.truth.median_s_to_first_fill == 2
    assert everything.models["pessimistic"].filled_shares == 3
    assert everything.models["central"].median_s_to_first_fill == 4
    assert winding_down.truth.median_s_to_first_fill is None


def test_the_grid_of_the_models_is_no_difference() -> None:
    (everything, _) = figures_of([bid_of(1, 4_999_999, 0, 0, 4_990_000)])
    assert everything.inside_part == 1


def test_a_model_is_called_the_nearest_only_with_enough_filled_bids() -> None:
    bids = [bid_of(n, 4_000_000, 1_000_000, 5_000_000, 9_000_000) for n in range(FEWEST_FILLED)]
    assert nearest_model(figures_of(bids)[0]) is CENTRAL
    assert nearest_model(figures_of(bids[1:])[0]) is None


def test_without_any_bid_there_is_no_figure() -> None:
    result = calibration_of([], {})
    assert (result.phases[0].bids, result.phases[0].inside_part, result.nearest_model) == (
        0,
        0,
        None,
    )


def test_the_command_prints_a_table_and_writes_json(
    driver: JournalDriver, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    driver.batch(3, trade(UP, TakerSide.SELL, "103", at_ns=at(3), price="0.46"))
    (path,) = driver.read().paths
    assert main(["calibrate", str(path), "--out", str(tmp_path / "c.json")]) == 0
    said = capsys.readouterr().out
    assert "pessimistic" in said
    assert f"no model is called the nearest with fewer than {FEWEST_FILLED} filled bids" in said
    assert main(["calibrate", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads((tmp_path / "c.json").read_bytes())
    assert told["phases"][0]["models"]["central"]["filled_shares"] == 3


def test_what_cannot_be_used_is_one_line(
    tmp_path: Path, driver: JournalDriver, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = Path("tests/recordings/btc-updown-30s-1795630170.jsonl.zst")
    assert main(["calibrate", str(recording)]) == 2
    assert "no journal of a strategy is there" in capsys.readouterr().err
    (path,) = driver.read().paths
    assert main(["calibrate", str(path), "--out", str(tmp_path / "no" / "c.json")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1

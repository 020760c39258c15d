"""Our objects have every field of the real ones, with the same kinds of values.

The real objects lie beside the repository in `../shared`; without them these tests are skipped.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pmcore.model.market import Outcome, Window
from pmcore.model.units import NS_PER_S
from pmsim.venue.ports import ListedWindow, OrderSide
from pmsimulator.clob_market import clob_market
from pmsimulator.data_rows import old_trade_row, trade_row
from pmsimulator.gamma import gamma_event, gamma_market
from pmsimulator.market_facts import MarketFacts
from pmsimulator.portfolio import Deal
from pmsimulator.titles import title
from support.recordings import recording, venue_sample

pytestmark = pytest.mark.recordings

WINDOW = Window(
    series="btc-5m",
    slug="btc-updown-5m-1790000100",
    condition_id="0x" + "ab" * 32,
    up_token_id="111",
    down_token_id="222",
    open_ns=1_790_000_100 * NS_PER_S,
    close_ns=1_790_000_400 * NS_PER_S,
    tick_e4=100,
    min_size_u6=5_000_000,
)
OPEN = ListedWindow(window=WINDOW, accepting_orders=True, closed=False, up_price_e4=5_050)
CLOSED = msgspec.structs.replace(OPEN, closed=True, accepting_orders=False, winner=Outcome.UP)
FACTS = MarketFacts(bid_e4=5_000, ask_e4=5_100, last_e4=5_100, tick_e4=100, volume_u6=1_500_000)
NUMBERS = (int, float)
MAY_BE_EMPTY = {"game_start_time", "accepting_order_timestamp"}
"""Null in some real objects, a text in others."""
NOT_OURS = {"oneHourPriceChange": "in 158 of 292 real objects only"}


def objects(name: str) -> list[dict[str, Any]]:
    """The real objects of a file."""
    (path,) = recording(f"rest/{name}")
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            raws = [json.loads(line)["raw"] for line in lines]
        return [json.loads(raw) if isinstance(raw, str) else raw for raw in raws]
    found = json.loads(path.read_text())
    return found if isinstance(found, list) else [found]


def sample(name: str) -> dict[str, Any]:
    found = json.loads(Path(venue_sample(name)).read_text())
    assert isinstance(found, dict)
    return found


def kind(value: object) -> object:
    return "number" if isinstance(value, NUMBERS) and not isinstance(value, bool) else type(value)


def differences(ours: dict[str, Any], real: dict[str, Any]) -> dict[str, str]:
    """Fields that are missing here, or whose values are of another kind."""
    found = {}
    for name, value in real.items():
        if name in NOT_OURS:
            continue
        if name not in ours:
            found[name] = "missing"
        elif value is not None and name not in MAY_BE_EMPTY and kind(value) != kind(ours[name]):
            found[name] = f"{kind(ours[name])}, at the venue {kind(value)}"
    return found


def test_an_open_gamma_market_has_every_field() -> None:
    ours = gamma_market(OPEN, FACTS)
    reals = [
        sample("gamma_market_btc_updown_5m.json"),
        *objects("ra1nty_market_detail.json"),
        *objects("ra1nty_market_search.json"),
    ]
    for real in reals:
        assert differences(ours, real) == {}


def test_a_closed_gamma_market_has_every_field() -> None:
    ours = gamma_market(CLOSED, FACTS)
    for real in objects("gamma_BTC-5m-markets-2026-06-08.jsonl.gz"):
        assert differences(ours, real) == {}


def test_an_event_and_its_series_have_every_field() -> None:
    ours = gamma_event(OPEN, FACTS)
    real = sample("gamma_market_btc_updown_5m.json")["events"][0]
    assert differences(ours, real) == {}
    (our_series,) = msgspec.convert(ours["series"], list[dict[str, Any]])
    assert differences(our_series, real["series"][0]) == {}


def test_a_clob_market_has_every_field() -> None:
    reals = [
        sample("rest_market_clob_legacy.json"),
        *objects("denis_market.json"),
        *objects("nautilus_market.json"),
    ]
    ours = clob_market(OPEN)
    for real in reals:
        assert differences(ours, real) == {}
        assert differences(msgspec.convert(ours["tokens"], list[Any])[0], real["tokens"][0]) == {}
        assert differences(msgspec.convert(ours["rewards"], dict[str, Any]), real["rewards"]) == {}


def test_a_trade_of_the_data_api_has_every_field() -> None:
    deal = Deal(
        wallet="0x" + "01" * 20,
        condition_id=WINDOW.condition_id,
        token_id="222",
        side=OrderSide.BUY,
        price_e4=4_500,
        size_u6=10_000_000,
        at_ns=WINDOW.open_ns,
        transaction_hash="0x02",
        taker=True,
    )
    ours = old_trade_row(trade_row(deal, OPEN))
    for real in (*objects("ra1nty_trades.json"), *objects("nautilus_trades.json")):
        assert differences(ours, real) == {}
        assert set(ours) == set(real)


def test_titles_are_those_of_the_real_windows() -> None:
    reals = objects("gamma_BTC-5m-markets-2026-06-08.jsonl.gz")
    for real in reals:
        start_s = int(real["slug"].rsplit("-", 1)[1])
        window = msgspec.structs.replace(
            WINDOW, open_ns=start_s * NS_PER_S, close_ns=(start_s + 300) * NS_PER_S
        )
        assert title(window) == real["question"]
    assert len(reals) > 200

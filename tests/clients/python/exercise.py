"""Every method of `polymarket-client` that a CLOB can answer, against a running simulator.

Run by `tests/integration/test_client_python.py` in an environment of its own: the client forces
older packages than ours. Prints one JSON object: what each method's check said, the client's public
methods, and those left out with the reason.

The client has no parameter for its hosts. What is redirected: the addresses in the environment
object that its constructors take (`clob_url`, `gamma_url`, `data_url`). They are replaced in a copy
of the configuration of `polymarket.PRODUCTION`. All code of the client runs as it was published.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from left_out import LEFT_OUT
from polymarket import PRODUCTION, PublicClient, SecureClient
from polymarket.environments import _create_environment
from polymarket.errors import RequestRejectedError
from polymarket.models.clob import PriceRequest

MAKER_KEY, TAKER_KEY = "0x" + "61" * 32, "0x" + "62" * 32
BUILDER = "0x" + "ab" * 32
DAY = "2026-11-01"
PATIENCE_S = 60.0


def redirected(url: str) -> object:
    """The client's production environment with its three hosts at the simulator."""
    config = replace(PRODUCTION._config, clob_url=url, gamma_url=url, data_url=url)
    return _create_environment(name="simulator", config=config)


def same(found: object, wanted: object) -> None:
    assert found == wanted, f"{found!r} is not {wanted!r}"


class Exercise:
    """The checks, one method for each of the client's; they run in the order of this class."""

    def __init__(self, url: str, url_v2: str) -> None:
        self.environment = redirected(url)
        self.environment_v2 = redirected(url_v2)
        self.public = PublicClient(self.environment)
        self.maker = self._secure(MAKER_KEY)
        self.taker = self._secure(TAKER_KEY)
        now_s = self.public._ctx.clob.get_json("/time")
        events = list(self.public.list_events(series_ids=10192, closed=False).iter_items())
        begun = [event for event in events if event.schedule.start_time.timestamp() <= now_s]
        coming = [event for event in events if event.schedule.start_time.timestamp() > now_s]
        self.running, self.coming = begun[0].markets[0], coming[1].markets[0]
        self.event = coming[1]
        self.up, self.down = (
            side.token_id for side in (self.coming.outcomes.yes, self.coming.outcomes.no)
        )
        self.busy = self.running.outcomes.yes.token_id

    def _secure(self, key: str, environment: object = None) -> SecureClient:
        from eth_account import Account

        return SecureClient.create(
            private_key=key,
            wallet=Account.from_key(key).address,
            environment=environment or self.environment,
        )

    # --- discovery -----------------------------------------------------------------------------

    def create(self) -> None:
        again = self._secure(MAKER_KEY)
        same(again.credentials, self.maker.credentials)
        same(again.wallet_type, "EOA")

    def list_events(self) -> None:
        named = list(self.public.list_events(slug=self.event.slug).iter_items())
        same([event.id for event in named], [self.event.id])
        by_id = list(self.public.list_events(ids=int(self.event.id)).iter_items())
        same([event.slug for event in by_id], [self.event.slug])
        same(list(self.public.list_events(ids=1).iter_items()), [])
        same(list(self.public.list_events(tag_slug="politics").iter_items()), [])
        paged = list(self.public.list_events(series_ids=10192, page_size=7).iter_items())
        same(len({event.id for event in paged}), len(paged))
        assert len(paged) > 90, len(paged)

    def list_markets(self) -> None:
        market = self.coming
        for wanted in (
            {"slug": market.slug},
            {"ids": int(market.id)},
            {"condition_ids": market.condition_id},
            {"clob_token_ids": self.down},
            {"question_ids": market.resolution.question_id},
            {"slug": [market.slug, "btc-updown-15m-1"], "closed": False},
        ):
            found = list(self.public.list_markets(**wanted).iter_items())
            same([one.condition_id for one in found], [market.condition_id])
        for nothing in (
            {"slug": market.slug, "closed": True},
            {"clob_token_ids": "77"},
            {"condition_ids": "0x" + "00" * 32},
            {"game_id": "1"},
            {"volume_num_min": 1e9},
        ):
            same(list(self.public.list_markets(**nothing).iter_items()), [])

    def get_market(self) -> None:
        found = self.public.get_market(id=self.coming.id)
        same(found, self.public.get_market(slug=self.coming.slug))
        same(found.condition_id, self.coming.condition_id)
        assert found.question.endswith(" ET"), found.question
        assert found.trading.minimum_order_size == 5
        self.url_of_market = f"https://polymarket.com/market/{self.coming.slug}"
        same(self.public.get_market(url=self.url_of_market).id, self.coming.id)
        running = self.public.get_market(id=self.running.id)
        assert running.prices.best_bid < running.prices.best_ask
        same(running.prices.spread, running.prices.best_ask - running.prices.best_bid)

    def get_event(self) -> None:
        for wanted in ({"id": self.event.id}, {"slug": self.event.slug}):
            same(self.public.get_event(**wanted).markets[0].id, self.coming.id)

    def get_market_tags(self) -> None:
        same(
            {tag.slug for tag in self.public.get_market_tags(self.coming.id)},
            {"crypto", "up-or-down"},
        )

    def get_event_tags(self) -> None:
        same(len(self.public.get_event_tags(self.event.id)), 2)

    def list_series(self) -> None:
        (series,) = list(self.public.list_series(slug="btc-up-or-down-15m").iter_items())
        same(series.id, "10192")

    def get_series(self) -> None:
        series = self.public.get_series("10192")
        same(series.slug, "btc-up-or-down-15m")
        assert series.events

    def list_tags(self) -> None:
        same(len(list(self.public.list_tags().iter_items())), 2)

    def get_tag(self) -> None:
        same(self.public.get_tag(slug="crypto").id, "21")
        same(self.public.get_tag(id="21").slug, "crypto")

    def search(self) -> None:
        page = self.public.search(q="bitcoin up").first_page()
        assert page.items[0].events
        same(self.public.search(q="election").first_page().items[0].events, ())

    def get_public_profile(self) -> None:
        same(self.public.get_public_profile(self.maker.wallet), None)

    # --- prices --------------------------------------------------------------------------------

    def get_order_book(self) -> None:
        book = self.public.get_order_book(token_id=self.busy)
        same(book.condition_id, self.running.condition_id)
        assert book.bids[0].price < book.bids[-1].price < book.asks[-1].price < book.asks[0].price

    def get_order_books(self) -> None:
        books = self.public.get_order_books(token_ids=[self.up, self.down])
        same([book.asset_id for book in books], [self.up, self.down])

    def get_midpoint(self) -> None:
        assert 0 < self.public.get_midpoint(token_id=self.busy) < 1

    def get_midpoints(self) -> None:
        same(list(self.public.get_midpoints(token_ids=[self.busy])), [self.busy])

    def get_price(self) -> None:
        bid = self.public.get_price(token_id=self.busy, side="BUY")
        assert bid < self.public.get_price(token_id=self.busy, side="SELL")

    def get_prices(self) -> None:
        found = self.public.get_prices(requests=[PriceRequest(self.busy, "BUY")])
        same(list(found[self.busy]), ["BUY"])

    def get_spread(self) -> None:
        assert self.public.get_spread(token_id=self.busy) > 0

    def get_spreads(self) -> None:
        same(list(self.public.get_spreads(token_ids=[self.busy])), [self.busy])

    def estimate_market_price(self) -> None:
        price = self.public.estimate_market_price(token_id=self.busy, side="BUY", amount=5)
        assert price > self.public.get_price(token_id=self.busy, side="BUY") - Decimal("0.1")

    def list_price_history(self) -> None:
        until(lambda: list(self.public.list_price_history(asset_id=self.busy, interval="1h")))
        (page, *_) = self.public.list_price_history(asset_id=self.busy, interval="1h")
        assert all(0 < point.price < 1 for point in page.items)

    # --- orders --------------------------------------------------------------------------------

    def place_limit_order(self) -> None:
        for token_id in (self.up, self.down):
            answer = self.maker.place_limit_order(
                token_id=token_id, price="0.30", size=10, side="BUY", post_only=True
            )
            assert answer.ok, answer
            same(answer.status, "live")
            self.rested = answer.order_id

        self._place_by_position()

    def _place_by_position(self) -> None:
        """The same in a market of Protocol V2, by position id."""
        with self._secure(MAKER_KEY, self.environment_v2) as client:
            (*_, event) = list(client.list_events(series_ids=10192, page_size=3).first_page().items)
            position = event.markets[0].outcomes.yes.position_id
            answer = client.place_limit_order(asset_id=position, price="0.3", size=10, side="BUY")
            assert answer.ok, answer
            same(client.cancel_order(order_id=answer.order_id).canceled, (answer.order_id,))

    def get_order(self) -> None:
        found = self.maker.get_order(order_id=self.rested)
        same((found.price, found.original_size), (Decimal("0.3"), Decimal(10)))

    def list_open_orders(self) -> None:
        same(len(list(self.maker.list_open_orders().iter_items())), 2)
        (one,) = list(self.maker.list_open_orders(token_id=self.down).iter_items())
        same(one.id, self.rested)

    def create_limit_order(self) -> None:
        self.signed = [
            self.maker.create_limit_order(
                token_id=token_id, price=price, size=5, side="BUY", post_only=True
            )
            for token_id, price in ((self.up, "0.20"), (self.down, "0.21"), (self.up, "0.22"))
        ]

    def post_order(self) -> None:
        assert self.maker.post_order(self.signed[0]).ok

    def post_orders(self) -> None:
        answers = self.maker.post_orders(self.signed[1:])
        same([answer.ok for answer in answers], [True, True])
        self.batch = [answer.order_id for answer in answers]
        crossing = self.maker.create_limit_order(
            token_id=self.up, price="0.75", size=5, side="BUY", post_only=True
        )
        (refused,) = self.maker.post_orders([crossing])
        same((refused.ok, refused.code), (False, "post_only_would_cross"))

    def cancel_order(self) -> None:
        same(self.maker.cancel_order(order_id=self.rested).canceled, (self.rested,))

    def cancel_orders(self) -> None:
        same(set(self.maker.cancel_orders(order_ids=self.batch).canceled), set(self.batch))

    def cancel_market_orders(self) -> None:
        found = self.maker.cancel_market_orders(market=self.coming.condition_id)
        same(len(found.canceled), 2)

    def cancel_all(self) -> None:
        same(self.maker.cancel_all().canceled, ())

    def send_order_heartbeat(self) -> None:
        first = self.maker.send_order_heartbeat().heartbeat_id
        second = self.maker.send_order_heartbeat(heartbeat_id=first).heartbeat_id
        assert first != second

    def create_market_order(self) -> None:
        """A maker with a builder's code, then a taker: a fill with a trade, a fee and a notice."""
        rested = self.maker.place_limit_order(
            token_id=self.up, price="0.55", size=20, side="BUY", builder_code=BUILDER
        )
        assert rested.ok, rested
        self.made = rested.order_id
        self.market_order = self.taker.create_market_order(
            token_id=self.down, side="BUY", amount=5, order_type="FAK"
        )

    def place_market_order(self) -> None:
        taken = self.taker.post_order(self.market_order)
        assert taken.ok, taken
        until(lambda: list(self.taker.list_account_trades().iter_items()))
        second = self.taker.place_market_order(
            token_id=self.down, side="BUY", amount=2, order_type="FAK"
        )
        assert second.ok, second
        self.taken = second

    def wait_for_order_fill_settlement(self) -> None:
        if self.taken.trade_ids:
            assert self.taker.wait_for_order_fill_settlement(self.taken)

    def list_account_trades(self) -> None:
        trades = list(self.maker.list_account_trades(market=self.coming.condition_id).iter_items())
        assert {entry.order_id for trade in trades for entry in trade.maker_orders} == {self.made}
        same({trade.trader_side for trade in trades}, {"MAKER"})

    def get_last_trade_price(self) -> None:
        self.last_trade = until(lambda: self.public.get_last_trade_price(token_id=self.down))
        same((self.last_trade.side, self.last_trade.price), ("BUY", Decimal("0.45")))
        other = self.public.get_last_trade_price(token_id=self.up)
        same((other.side, other.price), ("SELL", Decimal("0.55")))

    def get_last_trade_prices(self) -> None:
        found = self.public.get_last_trade_prices(token_ids=[self.up, self.down])
        same([one.asset_id for one in found], [self.up, self.down])

    def get_balance_allowance(self) -> None:
        cash = self.maker.get_balance_allowance(asset_type="COLLATERAL")
        assert cash.balance > 0
        shares = self.maker.get_balance_allowance(asset_type="CONDITIONAL", token_id=self.up)
        assert shares.balance > 0

    def get_notifications(self) -> None:
        self.maker.cancel_all()
        notices = self.maker.get_notifications()
        same({int(notice.type) for notice in notices}, {1, 2})
        fill = next(notice.payload for notice in notices if notice.type == 2)
        same((fill.order_id, fill.outcome_index, fill.asset_id), (self.made, 0, self.up))
        same(fill.matched_size + fill.remaining_size, fill.original_size)
        assert fill.question.endswith(" ET")
        self.notices = [notice.id for notice in notices]

    def drop_notifications(self) -> None:
        self.maker.drop_notifications(ids=self.notices)
        same(self.maker.get_notifications(), ())

    def get_order_scoring(self) -> None:
        same(self.maker.get_order_scoring(order_id=self.made), False)

    def get_orders_scoring(self) -> None:
        same(self.maker.get_orders_scoring(order_ids=[self.made]), {self.made: False})

    # --- data ----------------------------------------------------------------------------------

    def list_trades(self) -> None:
        mine = until(lambda: list(self.public.list_trades(user=self.taker.wallet).iter_items()))
        same({trade.asset_id for trade in mine}, {self.down})
        same({trade.wallet.lower() for trade in mine}, {self.taker.wallet.lower()})
        public = list(
            self.public.list_trades(
                condition_id=self.coming.condition_id, full_history=True
            ).iter_items()
        )
        same({trade.condition_id for trade in public}, {self.coming.condition_id})

    def list_activity(self) -> None:
        done = list(self.maker.list_activity(user=self.maker.wallet).iter_items())
        same({str(row.type) for row in done}, {"TRADE"})
        same({row.side for row in done}, {"BUY"})

    def list_positions(self) -> None:
        (held,) = list(self.public.list_positions(user=self.maker.wallet).iter_items())
        same((held.asset_id, held.avg_price, held.outcome), (self.up, Decimal("0.55"), "Up"))
        same((str(held.status), held.mergeable), ("OPEN", False))
        assert held.current_size > 5

    def get_portfolio_value(self) -> None:
        assert self.public.get_portfolio_value(user=self.maker.wallet).value > 0

    # --- rewards and builders ------------------------------------------------------------------

    def list_current_rewards(self) -> None:
        found = {one.condition_id for one in self.public.list_current_rewards().iter_items()}
        assert self.coming.condition_id in found

    def list_market_rewards(self) -> None:
        (row,) = list(
            self.public.list_market_rewards(condition_id=self.coming.condition_id).iter_items()
        )
        same([token.outcome for token in row.tokens], ["Up", "Down"])
        same(row.question, self.coming.question)

    def list_reward_markets(self) -> None:
        wanted = {"market_id": int(self.coming.id), "query": "bitcoin"}
        (row,) = list(self.public.list_reward_markets(**wanted).iter_items())
        same(row.condition_id, self.coming.condition_id)
        same(list(self.public.list_reward_markets(market_id=1).iter_items()), [])

    def list_user_earnings_for_day(self) -> None:
        same(list(self.maker.list_user_earnings_for_day(date=DAY).iter_items()), [])

    def get_total_earnings_for_user_for_day(self) -> None:
        same(self.maker.get_total_earnings_for_user_for_day(date=DAY), ())

    def list_user_earnings_and_markets_config(self) -> None:
        found = self.maker.list_user_earnings_and_markets_config(date=DAY).iter_items()
        same(list(found), [])

    def get_reward_percentages(self) -> None:
        same(self.maker.get_reward_percentages(), {})

    def get_current_rebates(self) -> None:
        day = time.strftime("%Y-%m-%d", time.gmtime(self.public._ctx.clob.get_json("/time")))
        rows = self.public.get_current_rebates(date=day, maker_address=self.maker.wallet)
        same([row.condition_id for row in rows], [self.coming.condition_id])

    def list_builder_trades(self) -> None:
        rows = list(self.public.list_builder_trades(builder_code=BUILDER).iter_items())
        same({(row.asset_id, row.owner) for row in rows}, {(self.up, self.maker.credentials.key)})
        same(list(self.public.list_builder_trades(builder_code="0x" + "cd" * 32).iter_items()), [])

    def get_builder_fee_rates(self) -> None:
        same(self.maker.get_builder_fee_rates(BUILDER).taker, 0)

    def create_builder_api_key(self) -> None:
        self.builder_key = self.maker.create_builder_api_key()

    def fetch_builder_api_keys(self) -> None:
        (key,) = self.maker.fetch_builder_api_keys()
        same((key.key, key.revoked_at), (self.builder_key.key, None))

    def revoke_builder_api_key(self) -> None:
        builder = SecureClient.create(
            private_key=MAKER_KEY,
            wallet=self.maker.wallet,
            environment=self.environment,
            api_key=self.builder_key,
        )
        builder.revoke_builder_api_key()
        (key,) = self.maker.fetch_builder_api_keys()
        assert key.revoked_at is not None

    # --- the end -------------------------------------------------------------------------------

    def fetch_api_keys(self) -> None:
        same(self.maker.fetch_api_keys(), (self.maker.credentials.key,))

    def get_closed_only_mode(self) -> None:
        same(self.maker.get_closed_only_mode(), False)

    def delete_api_key(self) -> None:
        self.taker.delete_api_key()
        try:
            self.taker.fetch_api_keys()
        except RequestRejectedError as error:
            same(error.status, 401)
        else:
            raise AssertionError("a deleted key still works")

    def end_authentication(self) -> None:
        public = self.maker.end_authentication()
        assert isinstance(public, PublicClient)

    def close(self) -> None:
        self.public.close()


def until(read: Callable[[], Any]) -> Any:
    """What a read gives once it gives something."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := read()):
        assert time.monotonic() < deadline, "nothing came"
        time.sleep(0.1)
    return found


def main(url: str, url_v2: str) -> None:
    exercise = Exercise(url, url_v2)
    checks = [name for name in vars(Exercise) if not name.startswith("_")]
    outcomes = {}
    for name in checks:
        try:
            getattr(exercise, name)()
            outcomes[name] = "ok"
        except Exception:  # noqa: BLE001 - every failure is reported, by method
            outcomes[name] = traceback.format_exc()
    classes = (PublicClient, SecureClient)
    public = {name for one in classes for name in dir(one) if not name.startswith("_")}
    print(json.dumps({"outcomes": outcomes, "methods": sorted(public), "left_out": LEFT_OUT}))


if __name__ == "__main__":
    main(*sys.argv[1:3])

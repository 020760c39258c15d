"""Gamma's objects with their irregular forms: JSON in strings, numbers as strings, nulls.

See docs/venue.md 7.2.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from pmcore.model.market import Outcome, Protocol, Window
from pmcore.model.units import (
    NS_PER_S,
    PRICE_ONE_E4,
    SHARE_U6,
    complement_e4,
    format_price,
    format_qty,
)
from pmsim.venue.ports import ListedWindow
from pmsimulator.gamma_series import series_row, series_slug
from pmsimulator.market_facts import MarketFacts
from pmsimulator.titles import description, title

Json = dict[str, object]
LISTED_BEFORE_NS = 86_400 * NS_PER_S
MAX_PAGE = 100
_V2_ID_CHARS = len("0x") + 62
_OFF = (
    "new",
    "featured",
    "archived",
    "ready",
    "funded",
    "cyom",
    "pagerDutyNotificationEnabled",
    "clearBookOnStart",
    "showGmpSeries",
    "showGmpOutcome",
    "manualActivation",
    "negRiskOther",
    "pendingDeployment",
    "deploying",
    "rfqEnabled",
    "holdingRewardsEnabled",
    "requiresTranslation",
)
"""Flags that are false in every market of these series."""


def market_id(slug: str) -> str:
    """Gamma's number of a market: a function of its slug."""
    return str(1_000_000 + _stable(slug, 8_000_000))


def event_id(slug: str) -> str:
    """Gamma's number of an event: a function of its slug."""
    return str(100_000 + _stable(slug, 800_000))


def question_id(slug: str) -> str:
    """The oracle's question of a market."""
    return "0x" + hashlib.sha256(f"question {slug}".encode()).hexdigest()


def gamma_market(listing: ListedWindow, facts: MarketFacts) -> Json:
    """An element of `GET /markets?slug=`, with its event inside."""
    return {**_market(listing, facts), "events": [event_head(listing, facts)]}


def gamma_event(listing: ListedWindow, facts: MarketFacts) -> Json:
    """An element of `GET /events?slug=` and of `GET /events/keyset`."""
    return {**event_head(listing, facts), "markets": [_market(listing, facts)]}


def _market(listing: ListedWindow, facts: MarketFacts) -> Json:
    window = listing.window
    v2 = window.protocol is Protocol.V2
    listed = stamp(window.open_ns - LISTED_BEFORE_NS)
    return {
        "id": market_id(window.slug),
        "question": title(window),
        "conditionId": window.condition_id[:_V2_ID_CHARS] if v2 else window.condition_id,
        "slug": window.slug,
        "resolutionSource": _source(window),
        "endDate": stamp(window.close_ns),
        "startDate": listed,
        "image": "",
        "icon": "",
        "description": description(window),
        "outcomes": _json_list("Up", "Down"),
        "outcomePrices": _json_list(*_outcome_prices(listing)),
        "active": True,
        "closed": listing.closed,
        "marketMakerAddress": "",
        "createdAt": listed,
        "updatedAt": stamp(window.close_ns) if listing.closed else listed,
        "restricted": True,
        "groupItemThreshold": "0",
        "questionID": question_id(window.slug),
        "enableOrderBook": True,
        "orderPriceMinTickSize": facts.tick_e4 / PRICE_ONE_E4,
        "orderMinSize": window.min_size_u6 // SHARE_U6,
        "endDateIso": stamp(window.close_ns)[:10],
        "startDateIso": listed[:10],
        "hasReviewedDates": True,
        **_token_ids(window),
        "version": window.protocol.value,
        "makerBaseFee": 1000,
        "takerBaseFee": 1000,
        "acceptingOrders": listing.accepting_orders,
        "acceptingOrdersTimestamp": listed,
        "negRisk": window.neg_risk,
        "approved": True,
        "automaticallyActive": True,
        "eventStartTime": stamp(window.open_ns),
        "rewardsMinSize": 50,
        "rewardsMaxSpread": 4.5,
        "umaResolutionStatuses": "[]",
        "feesEnabled": True,
        "feeType": "crypto_fees_v2",
        "feeSchedule": {"rate": 0.07, "exponent": 1, "takerOnly": True, "rebateRate": 0.2},
        "makerRebatesFeeShareBps": 10_000,
        **dict.fromkeys(_OFF, False),
        **_amounts(facts),
        **_prices(listing, facts),
        **(_resolution(window) if listing.closed else {}),
    }


def event_head(listing: ListedWindow, facts: MarketFacts) -> Json:
    """An event without its market."""
    window = listing.window
    listed = stamp(window.open_ns - LISTED_BEFORE_NS)
    volume, liquidity = _cash(facts.volume_u6), _cash(facts.liquidity_u6)
    return {
        "id": event_id(window.slug),
        "ticker": window.slug,
        "slug": window.slug,
        "title": title(window),
        "description": description(window),
        "resolutionSource": _source(window),
        "startDate": listed,
        "creationDate": listed,
        "startTime": stamp(window.open_ns),
        "endDate": stamp(window.close_ns),
        "image": "",
        "icon": "",
        "active": True,
        "closed": listing.closed,
        "archived": False,
        "new": False,
        "featured": False,
        "restricted": True,
        "liquidity": liquidity,
        "volume": volume,
        "openInterest": 0,
        "createdAt": listed,
        "updatedAt": stamp(window.close_ns) if listing.closed else listed,
        "competitive": _competitive(listing),
        **dict.fromkeys(("volume24hr", "volume1wk", "volume1mo", "volume1yr"), volume),
        "enableOrderBook": True,
        "liquidityClob": liquidity,
        "negRisk": window.neg_risk,
        "commentCount": 0,
        "cyom": False,
        "showAllOutcomes": True,
        "showMarketImages": True,
        "enableNegRisk": False,
        "automaticallyActive": True,
        "negRiskAugmented": False,
        "pendingDeployment": False,
        "deploying": False,
        "requiresTranslation": False,
        "eventMetadata": None,
        "series": [series_row(window.series)],
        "seriesSlug": series_slug(window.series),
    }


def _token_ids(window: Window) -> Json:
    if window.protocol is Protocol.V2:
        return {
            "clobTokenIds": None,
            "positionIds": [window.up_token_id, window.down_token_id],
        }
    return {"clobTokenIds": _json_list(window.up_token_id, window.down_token_id)}


def _amounts(facts: MarketFacts) -> Json:
    """Volume and liquidity: once as text, else as numbers; all that was traded is of today."""
    volume, liquidity = _cash(facts.volume_u6), _cash(facts.liquidity_u6)
    spans = ("24hr", "1wk", "1mo", "1yr")
    return {
        "volume": format_qty(facts.volume_u6),
        "liquidity": format_qty(facts.liquidity_u6),
        "volumeNum": volume,
        "liquidityNum": liquidity,
        "volumeClob": volume,
        "liquidityClob": liquidity,
        **{f"volume{span}": volume for span in spans},
        **{f"volume{span}Clob": volume for span in spans},
    }


def _prices(listing: ListedWindow, facts: MarketFacts) -> Json:
    """The touch of the Up token: `bestBid` is missing without bids, `bestAsk` then is 1."""
    ask_e4 = PRICE_ONE_E4 if facts.ask_e4 is None else facts.ask_e4
    last_e4 = listing.up_price_e4 if facts.last_e4 is None else facts.last_e4
    return {
        "competitive": _competitive(listing),
        "spread": facts.spread_e4 / PRICE_ONE_E4,
        "lastTradePrice": last_e4 / PRICE_ONE_E4,
        **({} if facts.bid_e4 is None else {"bestBid": facts.bid_e4 / PRICE_ONE_E4}),
        "bestAsk": ask_e4 / PRICE_ONE_E4,
    }


def _resolution(window: Window) -> Json:
    closed = datetime.fromtimestamp(window.close_ns // NS_PER_S, UTC)
    return {
        "closedTime": f"{closed:%Y-%m-%d %H:%M:%S}+00",
        "umaEndDate": stamp(window.close_ns),
        "umaResolutionStatus": "resolved",
        "automaticallyResolved": True,
        "liquidityAmm": 0,
    }


def _competitive(listing: ListedWindow) -> float:
    """1 for a market at even odds, less the further away; 0 once it is resolved."""
    if listing.closed:
        return 0.0
    away = (listing.up_price_e4 - PRICE_ONE_E4 // 2) / PRICE_ONE_E4
    return 1 / (1 + away * away)


def _outcome_prices(listing: ListedWindow) -> tuple[str, str]:
    if listing.winner is not None:
        return ("1", "0") if listing.winner is Outcome.UP else ("0", "1")
    return format_price(listing.up_price_e4), format_price(complement_e4(listing.up_price_e4))


def _source(window: Window) -> str:
    asset = window.slug.split("-", 1)[0]
    return f"https://data.chain.link/streams/{asset}-usd"


def _cash(amount_u6: int) -> float:
    return amount_u6 / SHARE_U6


def stamp(at_ns: int) -> str:
    """A time as Gamma and the CLOB write it, in UTC."""
    return f"{datetime.fromtimestamp(at_ns // NS_PER_S, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _json_list(*items: str) -> str:
    return "[" + ", ".join(f'"{item}"' for item in items) + "]"


def _stable(text: str, below: int) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % below

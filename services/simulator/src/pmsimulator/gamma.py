"""Gamma's objects with their irregular forms: JSON in strings, numbers as strings, nulls.

See docs/venue.md 7.2.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from pmcore.model.market import Outcome, Protocol
from pmcore.model.units import (
    NS_PER_S,
    PRICE_ONE_E4,
    SHARE_U6,
    complement_e4,
    format_price,
)
from pmcore.sim.ports import Listing

Json = dict[str, object]
_LISTED_BEFORE_NS = 86_400 * NS_PER_S
_NAMES = {"btc": "Bitcoin", "eth": "Ethereum", "sol": "Solana", "xrp": "XRP"}
_SERIES_IDS = {"btc-5m": 10684, "btc-15m": 10192}
MAX_PAGE = 100
_V2_ID_CHARS = len("0x") + 62


def id_of_series(series: str) -> int:
    """Gamma's id of a series; the two that docs/venue.md 7.2 names, else a stable number."""
    return _SERIES_IDS.get(series, 20_000 + _stable(series, 60_000))


def gamma_market(listing: Listing) -> Json:
    """An element of `GET /markets?slug=`, with its event inside."""
    return {**_market(listing), "events": [_event_head(listing)]}


def gamma_event(listing: Listing) -> Json:
    """An element of `GET /events?slug=` and of `GET /events/keyset`."""
    return {**_event_head(listing), "markets": [_market(listing)]}


def _market(listing: Listing) -> Json:
    window = listing.window
    tokens = _json_list(window.up_token_id, window.down_token_id)
    v2 = window.protocol is Protocol.V2
    return {
        "id": str(1_000_000 + _stable(window.slug, 8_000_000)),
        "question": _title(listing),
        "conditionId": window.condition_id[:_V2_ID_CHARS] if v2 else window.condition_id,
        "slug": window.slug,
        "resolutionSource": "https://data.chain.link/streams/btc-usd",
        "endDate": _stamp(window.close_ns),
        "liquidity": "0",
        "startDate": _stamp(window.open_ns - _LISTED_BEFORE_NS),
        "description": 'This market will resolve to "Up" or "Down".',
        "outcomes": _json_list("Up", "Down"),
        "outcomePrices": _json_list(*_outcome_prices(listing)),
        "volume": "0",
        "active": True,
        "closed": listing.closed,
        "marketMakerAddress": "",
        "createdAt": _stamp(window.open_ns - _LISTED_BEFORE_NS),
        "updatedAt": _stamp(window.open_ns - _LISTED_BEFORE_NS),
        "archived": False,
        "restricted": True,
        "questionID": "0x" + hashlib.sha256(f"question {window.slug}".encode()).hexdigest(),
        "enableOrderBook": True,
        "orderPriceMinTickSize": window.tick_e4 / PRICE_ONE_E4,
        "orderMinSize": window.min_size_u6 // SHARE_U6,
        "volumeNum": 0,
        "liquidityNum": 0,
        "clobTokenIds": None if v2 else tokens,
        **({"positionIds": [window.up_token_id, window.down_token_id]} if v2 else {}),
        "version": window.protocol.value,
        "umaResolutionStatuses": '["resolved"]' if listing.closed else "[]",
        "makerBaseFee": 1000,
        "takerBaseFee": 1000,
        "acceptingOrders": listing.accepting_orders,
        "acceptingOrdersTimestamp": _stamp(window.open_ns - _LISTED_BEFORE_NS),
        "negRisk": window.neg_risk,
        "eventStartTime": _stamp(window.open_ns),
        "rewardsMinSize": 50,
        "rewardsMaxSpread": 4.5,
        "feesEnabled": True,
        "feeType": "crypto_fees_v2",
        "feeSchedule": {"rate": 0.07, "exponent": 1, "takerOnly": True, "rebateRate": 0.2},
        "image": None,
        "lastTradePrice": None,
    }


def _event_head(listing: Listing) -> Json:
    window = listing.window
    return {
        "id": str(100_000 + _stable(window.slug, 800_000)),
        "ticker": window.slug,
        "slug": window.slug,
        "title": _title(listing),
        "startDate": _stamp(window.open_ns - _LISTED_BEFORE_NS),
        "creationDate": _stamp(window.open_ns - _LISTED_BEFORE_NS),
        "startTime": _stamp(window.open_ns),
        "endDate": _stamp(window.close_ns),
        "active": True,
        "closed": listing.closed,
        "archived": False,
        "restricted": True,
        "negRisk": window.neg_risk,
        "eventMetadata": None,
        "series": [
            {
                "id": str(id_of_series(window.series)),
                "ticker": window.series,
                "slug": window.series,
                "seriesType": "single",
            }
        ],
        "seriesSlug": window.series,
    }


def _outcome_prices(listing: Listing) -> tuple[str, str]:
    if listing.winner is not None:
        return ("1", "0") if listing.winner is Outcome.UP else ("0", "1")
    return format_price(listing.up_price_e4), format_price(complement_e4(listing.up_price_e4))


def _title(listing: Listing) -> str:
    window = listing.window
    asset = window.slug.split("-", 1)[0]
    start = datetime.fromtimestamp(window.open_ns / NS_PER_S, UTC)
    end = datetime.fromtimestamp(window.close_ns / NS_PER_S, UTC)
    name = _NAMES.get(asset, asset.upper())
    return f"{name} Up or Down - {start:%B %d, %H:%M:%S}-{end:%H:%M:%S} UTC"


def _stamp(at_ns: int) -> str:
    return f"{datetime.fromtimestamp(at_ns // NS_PER_S, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _json_list(*items: str) -> str:
    return "[" + ", ".join(f'"{item}"' for item in items) + "]"


def _stable(text: str, below: int) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % below

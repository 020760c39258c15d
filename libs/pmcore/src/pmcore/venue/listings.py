"""Gamma markets and CLOB market info to windows. Refuses what it cannot pair.

See docs/venue.md 1.3, 7.2.

Outcomes and token ids pair by index; `Up`/`Yes` is UP. Token ids follow `version`. A slug that
carries times must agree with the listing's own times.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from pmcore.model.errors import MalformedInputError
from pmcore.model.market import Outcome, Protocol, Window, parse_series, window_times_ns
from pmcore.model.units import PRICE_ONE_E4
from pmcore.venue.fields import (
    JsonObject,
    as_list,
    as_object,
    decode_json,
    is_absent,
    natural_of,
    price_e4_of,
    qty_u6_of,
    text_of,
    tick_e4_of,
    time_ns_of,
)

USUAL_TICK_E4 = 100
USUAL_MIN_SIZE_U6 = 5_000_000
_LABELS = {
    "up": Outcome.UP,
    "yes": Outcome.UP,
    "down": Outcome.DOWN,
    "no": Outcome.DOWN,
}
_ID_FIELD = {Protocol.V1: "clobTokenIds", Protocol.V2: "positionIds"}


class ClobMarket(msgspec.Struct, frozen=True):
    """`GET /clob-markets/{condition_id}`: what the CLOB itself says of a market."""

    tokens: tuple[tuple[str, Outcome], ...]
    tick_e4: int
    min_size_u6: int
    neg_risk: bool
    taker_delay: bool


def markets_in(value: object) -> Iterator[JsonObject]:
    """Every market object inside a Gamma answer: a market, an event, or lists of either."""
    if isinstance(value, list):
        for item in value:
            yield from markets_in(item)
    elif isinstance(value, dict):
        if "conditionId" in value:
            yield value
        elif isinstance(value.get("markets"), list):
            yield from markets_in(value["markets"])
        elif isinstance(value.get("raw"), dict):
            yield from markets_in(value["raw"])


def find_market(value: object, slug: str) -> JsonObject | None:
    """The market of a slug inside a Gamma answer, or None when it is not listed."""
    return next((market for market in markets_in(value) if market.get("slug") == slug), None)


def accepts_orders(item: JsonObject) -> bool:
    """Whether Gamma says that the market takes orders now."""
    return item.get("acceptingOrders") is True and item.get("closed") is not True


def parse_gamma_market(value: object) -> Window:
    """One Gamma market object to a window; raise `MalformedInputError` saying what is wrong."""
    item = as_object(value)
    slug = text_of(item, "slug")
    protocol = _protocol(item)
    tokens = dict(zip(_outcomes(item), _token_ids(item, protocol), strict=True))
    open_ns, close_ns = _times(item, slug)
    inferred = []
    tick_e4, min_size_u6 = USUAL_TICK_E4, USUAL_MIN_SIZE_U6
    if is_absent(item.get("orderPriceMinTickSize")):
        inferred.append("tick_e4")
    else:
        tick_e4 = tick_e4_of(item["orderPriceMinTickSize"])
    if is_absent(item.get("orderMinSize")):
        inferred.append("min_size_u6")
    else:
        min_size_u6 = qty_u6_of(item["orderMinSize"])
    return Window(
        series=parse_series(slug).series,
        slug=slug,
        condition_id=condition_id_of(item.get("conditionId")),
        up_token_id=tokens[Outcome.UP],
        down_token_id=tokens[Outcome.DOWN],
        open_ns=open_ns,
        close_ns=close_ns,
        tick_e4=tick_e4,
        min_size_u6=min_size_u6,
        neg_risk=item.get("negRisk") is True,
        protocol=protocol,
        inferred=tuple(inferred),
    )


def parse_clob_market(value: object) -> ClobMarket:
    """`/clob-markets` to its facts; raise `MalformedInputError` when tokens cannot be paired."""
    item = as_object(value)
    tokens = []
    for entry in as_list(item.get("t"), "no_token_ids"):
        token = as_object(entry)
        tokens.append((text_of(token, "t"), _outcome_of_label(token.get("o"))))
    if len({outcome for _, outcome in tokens}) != len(Outcome) or len(tokens) != len(Outcome):
        raise MalformedInputError("bad_outcomes", str(tokens)[:80])
    return ClobMarket(
        tokens=tuple(tokens),
        tick_e4=tick_e4_of(item.get("mts")),
        min_size_u6=qty_u6_of(item.get("mos")),
        neg_risk=item.get("nr") is True,
        taker_delay=item.get("itode") is True,
    )


def check_pairing(window: Window, market: ClobMarket) -> None:
    """Raise `MalformedInputError("tokens_disagree")` when Gamma and the CLOB pair differently."""
    for token_id, outcome in market.tokens:
        if window.token_id(outcome) != token_id:
            raise MalformedInputError("tokens_disagree", f"{outcome}: {token_id[:40]}")


def winner_of(value: object) -> Outcome | None:
    """Who won according to Gamma: only of a closed market, only prices of exactly 1 and 0."""
    item = as_object(value)
    if item.get("closed") is not True or is_absent(item.get("outcomePrices")):
        return None
    prices_e4 = [price_e4_of(price) for price in _embedded_list(item["outcomePrices"])]
    if sorted(prices_e4) != [0, PRICE_ONE_E4]:
        return None
    return _outcomes(item)[prices_e4.index(PRICE_ONE_E4)]


def condition_id_of(value: object) -> str:
    """0x and 64 hex digits; Protocol V2 ids of 31 bytes are padded on the right."""
    text = value.lower() if isinstance(value, str) else ""
    if not re.fullmatch(r"0x(?:[0-9a-f]{62}|[0-9a-f]{64})", text):
        raise MalformedInputError("bad_condition_id", str(value)[:80])
    return text.ljust(66, "0")


def token_id_of(value: object) -> str:
    """A token or position id: decimal digits; `bad_token_ids`."""
    if not isinstance(value, str) or natural_of(value) is None:
        raise MalformedInputError("bad_token_ids", str(value)[:80])
    return value


def _embedded_list(value: object) -> list[object]:
    """Gamma writes some arrays as JSON inside a text."""
    return as_list(decode_json(value) if isinstance(value, str) else value)


def _protocol(item: JsonObject) -> Protocol:
    version = item.get("version")
    if is_absent(version):
        return Protocol.V1
    try:
        return Protocol(str(version))
    except ValueError as error:
        raise MalformedInputError("unknown_version", str(version)[:40]) from error


def _outcome_of_label(label: object) -> Outcome:
    outcome = _LABELS.get(label.lower()) if isinstance(label, str) else None
    if outcome is None:
        raise MalformedInputError("bad_outcomes", str(label)[:40])
    return outcome


def _outcomes(item: JsonObject) -> list[Outcome]:
    outcomes = [_outcome_of_label(label) for label in _embedded_list(item.get("outcomes"))]
    if sorted(outcomes) != sorted(Outcome):
        raise MalformedInputError("bad_outcomes", str(item.get("outcomes"))[:80])
    return outcomes


def _token_ids(item: JsonObject, protocol: Protocol) -> list[str]:
    value = item.get(_ID_FIELD[protocol])
    if is_absent(value) or value in ([], "[]"):
        raise MalformedInputError("no_token_ids", str(item.get("slug"))[:80])
    tokens = [token_id_of(token) for token in _embedded_list(value)]
    if len(set(tokens)) != len(Outcome) or len(tokens) != len(Outcome):
        raise MalformedInputError("bad_token_ids", str(value)[:80])
    return tokens


def _times(item: JsonObject, slug: str) -> tuple[int, int]:
    """Open and close; `startDate` is when the market was made and is never used."""
    told = [
        None if is_absent(item.get(key)) else time_ns_of(item[key])
        for key in ("eventStartTime", "endDate")
    ]
    open_ns, close_ns = window_times_ns(slug) or (None, None)
    for from_slug, from_item in zip((open_ns, close_ns), told, strict=True):
        if from_slug is not None and from_item is not None and from_slug != from_item:
            raise MalformedInputError("times_disagree", slug)
    open_ns = told[0] if open_ns is None else open_ns
    close_ns = told[1] if close_ns is None else close_ns
    if open_ns is None or close_ns is None or close_ns <= open_ns:
        raise MalformedInputError("bad_times", slug)
    return open_ns, close_ns

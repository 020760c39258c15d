"""The windows of a recording: from its own metadata, a market file, or inferred from frames.

Whatever was guessed stands in `Window.inferred`; a book hash that reproduces proves tick, minimum
size and neg-risk, so then they are not guesses.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import product

import msgspec

from pmcore.machines.book import WindowBooks
from pmcore.messages.market_data import BookSnapshot
from pmcore.model.errors import MalformedInputError
from pmcore.model.market import Outcome, Protocol, Window, parse_series, window_times_ns
from pmcore.model.units import format_qty
from pmcore.venue.encode import to_text
from pmcore.venue.fields import (
    JsonObject,
    optional_text,
    qty_u6_of,
    text_of,
    tick_e4_of,
    time_ns_of,
)
from pmcore.venue.listings import (
    USUAL_MIN_SIZE_U6,
    USUAL_TICK_E4,
    condition_id_of,
    markets_in,
    parse_gamma_market,
    token_id_of,
)
from pmcore.venue.market_frames import MarketFrameParser
from pmcore.venue.usual_frames import UsualBook, UsualChanges
from pmsim.recordings.rows import stand_in_id

_SLUG = re.compile(r"[a-z0-9]+-updown-[0-9]+[smh]-[0-9]{9,11}")
_BOOKS_TRIED = 3
_MIN_SIZES_U6 = tuple(size * 1_000_000 for size in (5, 1, 10, 15, 20, 25, 50))


def slug_in(text: str) -> str:
    """The updown slug inside a file name, or ""."""
    match = _SLUG.search(text)
    return match.group() if match else ""


def windows_of_market_file(value: object) -> list[Window]:
    """A Gamma answer, or `{slug, conditionId, upTokenId, downTokenId, startTs, endTs, ...}`."""
    if isinstance(value, dict) and "upTokenId" in value:
        return [_short_form(value)]
    windows = [parse_gamma_market(market) for market in markets_in(value)]
    if not windows:
        raise MalformedInputError("no_market", str(value)[:80])
    return windows


def _short_form(item: JsonObject) -> Window:
    slug = text_of(item, "slug")
    window = Window(
        series=parse_series(slug).series,
        slug=slug,
        condition_id=condition_id_of(item.get("conditionId")),
        up_token_id=token_id_of(item.get("upTokenId")),
        down_token_id=token_id_of(item.get("downTokenId")),
        open_ns=time_ns_of(item.get("startTs")),
        close_ns=time_ns_of(item.get("endTs")),
        tick_e4=tick_e4_of(item.get("tickSize")),
        min_size_u6=qty_u6_of(item.get("minOrderSize")),
        neg_risk=item.get("negRisk") is True,
        protocol=Protocol.V2 if item.get("version") == "v2" else Protocol.V1,
    )
    if window.up_token_id == window.down_token_id:
        raise MalformedInputError("bad_token_ids", "Up and Down are the same token")
    if window.close_ns <= window.open_ns:
        raise MalformedInputError("bad_times", slug)
    if window.min_size_u6 == 0:
        raise MalformedInputError("bad_size", "minOrderSize is 0")
    return window


def window_without_tokens(slug: str, condition_id: str, open_ns: int, close_ns: int) -> Window:
    """A window for books that name outcomes instead of tokens; ids are made up."""
    return Window(
        series=parse_series(slug).series,
        slug=slug,
        condition_id=condition_id,
        up_token_id=stand_in_id(condition_id, "up"),
        down_token_id=stand_in_id(condition_id, "down"),
        open_ns=open_ns,
        close_ns=close_ns,
        tick_e4=USUAL_TICK_E4,
        min_size_u6=USUAL_MIN_SIZE_U6,
        inferred=("up_token_id", "down_token_id", "tick_e4", "min_size_u6"),
    )


class MarketGuess:
    """Collects what the frames of one market show, until a window can be made of it."""

    def __init__(self, condition_id: str, first_ns: int) -> None:
        self.condition_id = condition_id
        self.slug = ""
        self.first_ns = first_ns
        self.last_ns = first_ns
        self.events = 0
        self._tokens: Counter[str] = Counter()
        self.books: list[JsonObject] = []

    def see(self, item: JsonObject, recv_ns: int) -> None:
        """Note one event of this market."""
        self.last_ns = max(self.last_ns, recv_ns)
        changes = item.get("price_changes")
        entries = changes if isinstance(changes, list) else []
        self.events += 1
        for entry in (item, *entries):
            if isinstance(entry, dict) and (token := optional_text(entry, "asset_id")):
                self._tokens[token] += 1
        if isinstance(item.get("bids"), list) and not self.books_known:
            self.books.append(item)

    @property
    def books_known(self) -> bool:
        """Whether no more whole books are needed."""
        return len(self.books) >= _BOOKS_TRIED

    def see_usual(self, frame: UsualChanges | UsualBook, recv_ns: int) -> None:
        """Note a frame of this market as `see` does, once `books_known`."""
        self.last_ns = max(self.last_ns, recv_ns)
        self.events += 1
        entries = frame.price_changes if isinstance(frame, UsualChanges) else ()
        for token in (frame.asset_id, *(entry.asset_id for entry in entries)):
            if token:
                self._tokens[token] += 1

    @property
    def times_ns(self) -> tuple[int, int] | None:
        """Opening and close, where the slug says them."""
        return window_times_ns(self.slug) if self.slug else None

    def window(self) -> Window:
        """The window, with all that was guessed named in `inferred`.

        Its tokens are the two seen most often, so that a stray one cannot take a place.
        """
        inferred = ["up_token_id", "down_token_id"]
        times = self.times_ns
        if times is None:
            times = (self.first_ns, max(self.last_ns, self.first_ns + 1))
            inferred += ["open_ns", "close_ns"]
        if not self.slug:
            inferred += ["slug", "series"]
        seen = dict(self._tokens.most_common(len(Outcome)))
        tokens = [token for token in self._tokens if token in seen]
        up, down = [*tokens, *(stand_in_id(self.condition_id, name) for name in Outcome)][:2]
        base = Window(
            series=parse_series(self.slug).series if self.slug else "recorded",
            slug=self.slug or f"recorded-{self.condition_id[2:14].lower()}",
            condition_id=self.condition_id,
            up_token_id=up,
            down_token_id=down,
            open_ns=times[0],
            close_ns=times[1],
            tick_e4=USUAL_TICK_E4,
            min_size_u6=USUAL_MIN_SIZE_U6,
        )
        proven = next(filter(None, (_proven(base, book) for book in self.books)), None)
        if proven is not None:
            return msgspec.structs.replace(proven, inferred=tuple(inferred))
        inferred += ["tick_e4", "min_size_u6", "neg_risk"]
        return msgspec.structs.replace(base, inferred=tuple(inferred))


def _proven(base: Window, book: JsonObject) -> Window | None:
    """The window whose constants reproduce a whole book's hash, or None."""
    frame = to_text(book)
    told = optional_text(book, "min_order_size")
    for min_size_u6, neg_risk in product(_MIN_SIZES_U6, (False, True)):
        window = msgspec.structs.replace(
            base,
            min_size_u6=min_size_u6,
            neg_risk=neg_risk,
            protocol=Protocol.V2 if book.get("version") == "v2" else Protocol.V1,
        )
        if told and told != format_qty(min_size_u6):
            continue
        books = WindowBooks(window, search_last_trade=True)
        for message in MarketFrameParser(window).parse(frame, ts_recv_ns=1):
            if isinstance(message, BookSnapshot):
                books.apply(message)
        if books.counters.books_verified:
            return msgspec.structs.replace(window, tick_e4=books.tick_e4)
    return None

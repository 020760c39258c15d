"""Subscribers of the market and the user channel, each with a bounded outbox."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence

import msgspec

from pmsim.venue.ports import MarketFrame, UserFrame
from pmsimulator.server import text_frame

_BATCH_FRAMES = 256


class Outbox:
    """Frames on their way to one connection, as bytes that all readers share.

    Never grows beyond its limit: at the limit it is emptied and stays empty, and `overflow` says
    that its reader is to be disconnected.
    """

    def __init__(self, limit_frames: int, since_ns: int = 0) -> None:
        self._limit = limit_frames
        self.since_ns = since_ns
        self._frames: deque[bytes] = deque()
        self._filled = asyncio.Event()
        self.overflow = asyncio.Event()
        self.dropped = asyncio.Event()

    def put(self, frame: bytes) -> None:
        """Queue a frame of `text_frame`."""
        if len(self._frames) >= self._limit:
            self._frames.clear()
            self.overflow.set()
        if not self.overflow.is_set():
            self._frames.append(frame)
            self._filled.set()

    def put_text(self, text: str) -> None:
        """Queue a text for this reader alone."""
        self.put(text_frame(text))

    async def take(self) -> list[bytes]:
        """The oldest queued frames, waiting for the first."""
        await self._filled.wait()
        count = min(len(self._frames), _BATCH_FRAMES)
        frames = [self._frames.popleft() for _ in range(count)]
        if not self._frames:
            self._filled.clear()
        return frames


class MarketSubscriber:
    """One connection of the market channel."""

    def __init__(self, outbox: Outbox) -> None:
        self.outbox = outbox
        self.asset_ids: set[str] = set()
        self.custom_features = False


class UserSubscriber:
    """One connection of the user channel. `markets` None means: everything of the key."""

    def __init__(self, outbox: Outbox, api_key: str, markets: Iterable[str]) -> None:
        self.outbox = outbox
        self.api_key = api_key
        self.markets: set[str] | None = set(markets) or None


class Subscriptions:
    """All connections, indexed by what they want. Counts those that were too slow."""

    def __init__(self, limit_frames: int) -> None:
        self._limit = limit_frames
        self._by_asset: dict[str, list[MarketSubscriber]] = {}
        self._by_key: dict[str, list[UserSubscriber]] = {}
        self._market_connections: dict[MarketSubscriber, None] = {}
        self.slow_disconnects = 0
        self.unusable_requests = 0
        self.market_frames = 0
        self.user_frames = 0

    def new_outbox(self, at_ns: int = 0) -> Outbox:
        """An outbox of the configured size for a connection that begins now."""
        return Outbox(self._limit, at_ns)

    def add_market(self, subscriber: MarketSubscriber) -> None:
        """A new connection of the market channel, without assets yet."""
        self._market_connections[subscriber] = None

    def remove_market(self, subscriber: MarketSubscriber) -> None:
        """Forget a connection of the market channel."""
        self.remove_assets(subscriber, subscriber.asset_ids)
        self._market_connections.pop(subscriber, None)

    def add_assets(self, subscriber: MarketSubscriber, asset_ids: Iterable[str]) -> list[str]:
        """Subscribe; return those that are new to this connection, in the order given."""
        added = [a for a in dict.fromkeys(asset_ids) if a not in subscriber.asset_ids]
        for asset_id in added:
            subscriber.asset_ids.add(asset_id)
            self._by_asset.setdefault(asset_id, []).append(subscriber)
        return added

    def remove_assets(self, subscriber: MarketSubscriber, asset_ids: Iterable[str]) -> None:
        """Unsubscribe; ids that were not subscribed are ignored."""
        for asset_id in list(asset_ids):
            if asset_id in subscriber.asset_ids:
                subscriber.asset_ids.discard(asset_id)
                readers = self._by_asset[asset_id]
                readers.remove(subscriber)
                if not readers:
                    del self._by_asset[asset_id]

    def readers_of(self, asset_id: str) -> Sequence[MarketSubscriber]:
        """Who is subscribed to an asset."""
        return tuple(self._by_asset.get(asset_id, ()))

    def add_user(self, subscriber: UserSubscriber) -> None:
        """Subscribe a connection to an account's frames."""
        self._by_key.setdefault(subscriber.api_key, []).append(subscriber)

    def remove_user(self, subscriber: UserSubscriber) -> None:
        """Forget a connection."""
        self._by_key[subscriber.api_key].remove(subscriber)

    def drop(self, channel: str, begun_before_ns: int | None = None) -> int:
        """Cut connections of the `market`, the `user` or `all` channels; how many that were."""
        outboxes: list[Outbox] = []
        if channel in ("market", "all"):
            outboxes += [reader.outbox for reader in self._market_connections]
        if channel in ("user", "all"):
            outboxes += [reader.outbox for readers in self._by_key.values() for reader in readers]
        old = [b for b in outboxes if begun_before_ns is None or b.since_ns <= begun_before_ns]
        for outbox in old:
            outbox.dropped.set()
        return len(old)

    def deliver(self, event: MarketFrame | UserFrame) -> None:
        """Queue a frame for everyone who wants it, once per connection."""
        match event:
            case MarketFrame():
                self._deliver_market(event)
            case UserFrame():
                self._deliver_user(event)

    def _deliver_market(self, event: MarketFrame) -> None:
        self.market_frames += 1
        readers = (
            dict.fromkeys(
                reader
                for token_id in event.token_ids
                for reader in self._by_asset.get(token_id, ())
            )
            if event.token_ids
            else self._market_connections
        )
        self._put([r for r in readers if r.custom_features or not event.custom], event.text)

    def _deliver_user(self, event: UserFrame) -> None:
        self.user_frames += 1
        listeners = [
            listener
            for listener in self._by_key.get(event.owner, ())
            if listener.markets is None or event.condition_id in listener.markets
        ]
        if listeners:
            self._put(listeners, msgspec.json.encode(event.frame).decode())

    def _put(self, readers: Sequence[MarketSubscriber | UserSubscriber], text: str) -> None:
        if readers:
            frame = text_frame(text)
            for reader in readers:
                reader.outbox.put(frame)

"""Who hears what: subscribers of the market and the user channel, each with a bounded outbox."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable

import msgspec

from pmcore.sim.ports import MarketFrame, UserFrame


class Outbox:
    """Frames on their way to one connection. Never grows beyond its limit: at the limit it is
    emptied for good, and `overflow` says that its reader is to be disconnected.
    """

    def __init__(self, limit_frames: int) -> None:
        self._limit = limit_frames
        self._frames: deque[str] = deque()
        self._filled = asyncio.Event()
        self.overflow = asyncio.Event()

    def put(self, text: str) -> None:
        """Queue a frame."""
        if len(self._frames) >= self._limit:
            self._frames.clear()
            self.overflow.set()
        if not self.overflow.is_set():
            self._frames.append(text)
            self._filled.set()

    async def take(self) -> list[str]:
        """All queued frames, waiting for the first."""
        await self._filled.wait()
        self._filled.clear()
        frames = list(self._frames)
        self._frames.clear()
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
        self.slow_disconnects = 0
        self.unusable_requests = 0
        self.market_frames = 0
        self.user_frames = 0

    def new_outbox(self) -> Outbox:
        """An outbox of the configured size."""
        return Outbox(self._limit)

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

    def add_user(self, subscriber: UserSubscriber) -> None:
        """Subscribe a connection to an account's frames."""
        self._by_key.setdefault(subscriber.api_key, []).append(subscriber)

    def remove_user(self, subscriber: UserSubscriber) -> None:
        """Forget a connection."""
        self._by_key[subscriber.api_key].remove(subscriber)

    def deliver(self, event: MarketFrame | UserFrame) -> None:
        """Queue a frame for everyone who wants it, once per connection."""
        match event:
            case MarketFrame():
                self.market_frames += 1
                readers = dict.fromkeys(
                    reader
                    for token_id in event.token_ids
                    for reader in self._by_asset.get(token_id, ())
                )
                for reader in readers:
                    if reader.custom_features or not event.custom:
                        reader.outbox.put(event.text)
            case UserFrame():
                self.user_frames += 1
                listeners = [
                    listener
                    for listener in self._by_key.get(event.owner, ())
                    if listener.markets is None or event.condition_id in listener.markets
                ]
                if listeners:
                    text = msgspec.json.encode(event.frame).decode()
                    for listener in listeners:
                        listener.outbox.put(text)

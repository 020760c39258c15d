"""The feed: for each series find the next window, announce it, feed it, say who won."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial

from pmcore.messages.market_data import FeedState
from pmcore.messages.rotation import WindowAnnounced, WindowResolved
from pmcore.model.errors import TransportError
from pmcore.model.market import Outcome, SeriesSpec, Window, window_times_ns
from pmcore.shell.bus.janitor import trim_streams
from pmcore.shell.http import JsonReader
from pmcore.shell.service.errors import StartupError
from pmcore.shell.service.process import ServiceContext
from pmcore.shell.service.tasks import answered_at_once, retry_until_answered
from pmcore.shell.service.views import FeedView
from pmcore.wire import keys
from pmcore.wire.ports import Outgoing
from pmfeed.discovery import Discovery, seconds_ns
from pmfeed.metrics import FeedMetrics
from pmfeed.recorder import record_winner, without_winner
from pmfeed.settings import FeedSettings, asset_of
from pmfeed.underlying import UnderlyingFeed
from pmfeed.window_feed import WindowFeed

FIXED_SLUG_WAIT_S = 60.0
TRIM_EVERY_S = 60.0


class FeedService:
    """See `pmcore.shell.service.process.Service`. With fixed slugs `run` returns after the last."""

    name = "feed"

    def __init__(self, context: ServiceContext[FeedSettings]) -> None:
        self._context = context
        self._settings = context.settings
        self._bus = context.bus
        self._clock = context.clock
        self._log = context.log
        self._metrics = FeedMetrics(context.metrics)
        self._gamma = JsonReader(context.settings.gamma_url)
        self._rest = JsonReader(context.settings.rest_url)
        self._discovery = Discovery(
            self._gamma, self._rest, context.clock, context.log, context.health
        )
        self._live: dict[str, WindowFeed] = {}
        self._underlyings = {
            asset: UnderlyingFeed(
                url, asset, context.clock, self._metrics, context.health, context.log
            )
            for url in ([self._settings.underlying_url] if self._settings.underlying_url else ())
            for asset in self._settings.assets
        }
        self._windows_seen = 0
        self._done = _Totals()

    async def run(self) -> None:
        """Rotate through all series."""
        async with asyncio.TaskGroup() as tasks:
            janitor = tasks.create_task(self._trim())
            prices = [tasks.create_task(one.run()) for one in self._underlyings.values()]
            async with asyncio.TaskGroup() as series:
                for spec in self._settings.series:
                    series.create_task(self._run_series(spec))
            for beside in (janitor, *prices):
                beside.cancel()

    async def stop(self) -> None:
        """Tell the readers that nothing more will come, and close."""
        for feed in list(self._live.values()):
            await feed.say_down("the feed stopped")
        await self._gamma.close()
        await self._rest.close()

    def readiness(self) -> list[str]:
        """Every series has an open window whose market data is live."""
        reasons = []
        for spec in self._settings.series:
            feed = self._current(spec.series)
            if feed is None:
                if not (spec.fixed_slug and self._windows_seen):
                    reasons.append(f"{spec.series}: no window yet")
            elif feed.session.state is not FeedState.LIVE:
                text = f"{feed.window.slug}: {feed.session.state} {feed.session.reason}"
                reasons.append(text.strip())
        return reasons

    def state(self) -> FeedView:
        """Totals since the start, and the windows that are fed now."""
        totals = _Totals()
        totals.add_all(self._done)
        for feed in self._live.values():
            totals.add(feed)
        states = [feed.session.state for feed in self._live.values()]
        return {
            "frames": totals.frames,
            "events": totals.events,
            "unusable": dict(totals.unusable),
            "books": dict(totals.books),
            "windows": list(self._live),
            "windows_seen": self._windows_seen,
            "market_socket": next((s for s in states if s is not FeedState.LIVE), "live")
            if states
            else "down",
            "series": {
                feed.window.slug: {"state": feed.session.state, "reason": feed.session.reason}
                for feed in self._live.values()
            },
            "underlying": {asset: one.state() for asset, one in self._underlyings.items()},
            "hop_ms": self._context.metrics.hop_ms(),
        }

    async def on_halt(self, reason: str) -> None:
        """Market data flows on: a halt is about orders."""

    async def on_resume(self) -> None:
        """Nothing was stopped."""

    async def _run_series(self, spec: SeriesSpec) -> None:
        prewarm_ns = seconds_ns(self._settings.prewarm_s)
        if spec.length_s:
            prewarm_ns = min(prewarm_ns, spec.length_s * 500_000_000)
        slug = spec.slug_at(self._clock.now_ns())
        async with asyncio.TaskGroup() as windows:
            for left_over in await self._left_over(spec):
                windows.create_task(self._resolve(spec.series, *left_over))
            if self._settings.record:
                windows.create_task(self._learn_winners(spec.series))
            while True:
                times = window_times_ns(slug)
                give_up_ns = (
                    self._clock.now_ns() + seconds_ns(FIXED_SLUG_WAIT_S)
                    if times is None or spec.fixed_slug
                    else times[1] - prewarm_ns
                )
                window = await self._discovery.find(slug, give_up_ns)
                if window is not None:
                    await self._clock.sleep_until(window.open_ns - prewarm_ns)
                    windows.create_task(self._run_window(window))
                if times is None or spec.fixed_slug:
                    if window is None:
                        raise StartupError(
                            f"POLYMARKET_MARKET_SLUG: {slug} cannot be used, see log"
                        )
                    return
                await self._clock.sleep_until(times[1] - prewarm_ns)
                slug = spec.slug_at(max(times[1], self._clock.now_ns()))

    async def _run_window(self, window: Window) -> None:
        await self._announce_until_done(window)
        self._metrics.windows.labels("announced").inc()
        self._windows_seen += 1
        feed = WindowFeed(
            self._context, self._metrics, self._rest, window, lambda: self._announce(window)
        )
        self._live[window.slug] = feed
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._feed(feed))
            tasks.create_task(self._resolve(window.series, window.slug, window.close_ns))

    async def _feed(self, feed: WindowFeed) -> None:
        prices = self._underlyings.get(asset_of(feed.window.series))
        try:
            if prices is not None:
                prices.listeners.append(feed)
            await feed.run()
        finally:
            if prices is not None:
                prices.listeners.remove(feed)
            self._live.pop(feed.window.slug, None)
            self._done.add(feed)

    async def _left_over(self, spec: SeriesSpec) -> list[tuple[str, int]]:
        """Find closed windows whose readers still wait for the winner: an earlier feed ended."""
        now_ns = self._clock.now_ns()
        found = []
        groups = partial(self._bus.groups, keys.md(spec.series))
        for group in await retry_until_answered(groups):
            times = window_times_ns(group.name)
            if times is not None and times[1] <= now_ns and group.name != spec.fixed_slug:
                found.append((group.name, times[1]))
        return found

    async def _resolve(self, series: str, slug: str, close_ns: int) -> None:
        await self._clock.sleep_until(close_ns)
        timeout_ns = seconds_ns(self._settings.resolution_timeout_s)
        winner = await self._discovery.winner(slug, close_ns + timeout_ns)
        resolved = WindowResolved(slug=slug, winner=winner, ts_recv_ns=self._clock.now_ns())
        self._metrics.windows.labels("resolved" if winner else "unresolved").inc()
        self._log.info("window_resolved", slug=slug, winner=winner)
        if winner is not None and self._settings.record:
            self._record_winner(slug, winner)
        said = [Outgoing(keys.rot(series), resolved)]
        await retry_until_answered(partial(self._bus.publish, said))

    async def _learn_winners(self, series: str) -> None:
        """Ask once for the winners that an earlier feed, which ended too soon, did not record."""
        now_ns = self._clock.now_ns()
        for slug in without_winner(self._settings.data_dir, series, now_ns):
            winner = await self._discovery.winner(slug, now_ns)
            if winner is not None:
                self._record_winner(slug, winner)

    def _record_winner(self, slug: str, winner: Outcome) -> None:
        if failed := record_winner(self._settings.data_dir, slug, winner):
            self._log.error("winner_not_recorded", slug=slug, detail=failed)

    async def _announce_until_done(self, window: Window) -> None:
        def on_away(error: TransportError) -> None:
            self._log.warning("announce_failed", slug=window.slug, detail=str(error))

        await retry_until_answered(partial(self._announce, window), on_away)
        self._log.info("window_announced", slug=window.slug, tick_e4=window.tick_e4)

    async def _announce(self, window: Window) -> None:
        """Make the window's groups, announce it with the last of them (docs/ARCHITECTURE.md)."""
        series, slug = window.series, window.slug
        group = keys.window_group(slug)
        await self._bus.create_group(group, [keys.user(self._settings.account)], announce=None)
        await self._bus.create_group(group, [keys.md(series), keys.exe(series)], announce=None)
        await self._bus.create_group(
            keys.window_group(slug, "executor"),
            [keys.cmd(series), keys.md(series)],
            announce=Outgoing(
                keys.rot(series),
                WindowAnnounced(window=window, ts_recv_ns=self._clock.now_ns()),
            ),
        )

    async def _trim(self) -> None:
        """Be the one janitor of all streams."""
        account = self._settings.account
        streams = [keys.user(account), keys.ctl(account)]
        for spec in self._settings.series:
            streams += [keys.rot(spec.series), keys.cmd(spec.series), keys.exe(spec.series)]
        while True:
            await asyncio.sleep(TRIM_EVERY_S)
            await answered_at_once(partial(trim_streams, self._bus, streams), self._note_untrimmed)

    def _note_untrimmed(self, error: TransportError) -> None:
        self._log.warning("trim_failed", detail=str(error))

    def _current(self, series: str) -> WindowFeed | None:
        """Return the window that is open now, else the next one."""
        now_ns = self._clock.now_ns()
        feeds = [
            feed
            for feed in self._live.values()
            if feed.window.series == series and now_ns < feed.window.close_ns
        ]
        return min(feeds, key=lambda feed: feed.window.open_ns, default=None)


class _Totals:
    """Sums over windows."""

    def __init__(self) -> None:
        self.frames = 0
        self.events = 0
        self.unusable: Counter[str] = Counter()
        self.books: Counter[str] = Counter()

    def add(self, feed: WindowFeed) -> None:
        self.frames += feed.parser.frames
        self.events += feed.parser.events
        self.unusable.update(feed.parser.unusable)
        counters = feed.books.counters
        self.books.update({name: getattr(counters, name) for name in counters.__struct_fields__})

    def add_all(self, other: _Totals) -> None:
        self.frames += other.frames
        self.events += other.events
        self.unusable.update(other.unusable)
        self.books.update(other.books)

"""What the feed counts."""

from __future__ import annotations

from pmcore.machines.book import BookCounters
from pmcore.shell.service.metrics import ServiceMetrics, begin_with_0
from pmcore.venue.unusable import PROTOCOL_REASONS


class FeedMetrics:
    """Metrics of all series, and the totals that /state shows."""

    def __init__(self, metrics: ServiceMetrics) -> None:
        self.shell = metrics
        self.frames = metrics.counter("frames_total", "Frames received", ["series"])
        self.events = metrics.counter("events_total", "Messages published", ["series"])
        self.unusable = metrics.counter(
            "unusable_frames_total", "Frames that could not be used", ["reason"]
        )
        begin_with_0(self.unusable, PROTOCOL_REASONS)
        self.books = metrics.counter(
            "book_checks_total", "Checks of books against the venue's hashes and touch", ["kind"]
        )
        self.connects = metrics.counter("connects_total", "Market sockets connected", ["series"])
        self.resyncs = metrics.counter(
            "resyncs_total", "Times that books were read by REST", ["series"]
        )
        self.gaps = metrics.counter("book_gaps_total", "Books that turned out wrong", ["reason"])
        self.statuses = metrics.counter("status_changes_total", "Feed states entered", ["kind"])
        self.windows = metrics.counter("windows_total", "Windows by how they went", ["kind"])
        self.book_age = metrics.gauge(
            "book_age_seconds", "Time since market data last confirmed the books", ["series"]
        )
        self.delay = metrics.gauge(
            "event_delay_seconds",
            "From the venue's stamp of an event to its receipt; below 0: our clock is behind",
            ["series"],
        )
        self.live = metrics.gauge("market_live", "1 while market data may be trusted", ["series"])
        asset = ["asset"]
        self.underlying_connected = metrics.gauge(
            "underlying_connected_state", "1 while the exchange's socket is up", asset
        )
        self.underlying_age = metrics.gauge(
            "underlying_age_seconds", "Time since the underlying's newest price", asset
        )
        self.underlying_prices = metrics.counter(
            "underlying_prices_total", "Prices of the underlying passed on", asset
        )
        self.underlying_connects = metrics.counter(
            "underlying_connects_total", "The exchange's sockets connected", asset
        )
        self.underlying_unusable = metrics.counter(
            "underlying_unusable_total", "Exchange frames that could not be used", ["reason"]
        )
        self.record_dropped = metrics.counter(
            "record_lines_dropped_total", "Raw frames that were not recorded"
        )


class FeedCounters:
    """Turns totals that only rise into increments of counters; kept per window."""

    def __init__(self, metrics: FeedMetrics, series: str) -> None:
        self._metrics = metrics
        self._series = series
        self._frames = 0
        self._unusable: dict[str, int] = {}
        self._books: dict[str, int] = {}

    def frames(self, total: int) -> None:
        """Count frames up to a parser's total."""
        self._metrics.frames.labels(self._series).inc(total - self._frames)
        self._frames = total

    def unusable(self, totals: dict[str, int]) -> None:
        """Count unusable frames up to a parser's totals by reason."""
        for reason, total in totals.items():
            self._metrics.unusable.labels(reason).inc(total - self._unusable.get(reason, 0))
        self._unusable = dict(totals)

    def books(self, counters: BookCounters) -> None:
        """Count checks up to the books' totals."""
        for kind in counters.__struct_fields__:
            total = getattr(counters, kind)
            self._metrics.books.labels(kind).inc(total - self._books.get(kind, 0))
            self._books[kind] = total

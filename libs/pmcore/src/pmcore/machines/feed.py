"""When a window's market data may be trusted: the feed's decisions, without its sockets.

* LIVE only with a socket that is up and both books usable; after a reconnect or a silence also
  only once REST has answered with both books (docs/strategy_guide.md#when-nothing-rests-at-all).
* Silence: while the window is open, no event for half of `silent_ns` makes it ask REST. An answer
  that agrees with our books counts as data, so that a quiet market is not taken for a dead feed.
  An answer that shows changes which the socket did not send proves that the socket is dead: it is
  closed. No data and no answer for `silent_ns`: SILENT.
* Lateness: the newest event that the socket brought is `silent_ns` old by the venue's stamp when
  it arrives: LATE, until one arrives in time, or REST agrees with our books while the socket has
  nothing more. Our clock, if it is ahead, looks the same; then nothing is quoted either.
* Whatever is not LIVE asks REST again and again, with a delay that doubles to `ASK_MOST_NS`.
"""

from __future__ import annotations

import msgspec

from pmcore.messages.market_data import FeedState
from pmcore.model.units import NS_PER_MS, NS_PER_S

ASK_FIRST_NS = 250 * NS_PER_MS
ASK_MOST_NS = 4 * NS_PER_S
DUMP_WAIT_NS = 2 * NS_PER_S
MUTE_SILENCES = 10


class SetStatus(msgspec.Struct, frozen=True):
    """Tell the readers the new state."""

    state: FeedState
    reason: str


class AskBooks(msgspec.Struct, frozen=True):
    """Read both books by REST; answer with `on_books` or `on_books_failed`."""


class DropSocket(msgspec.Struct, frozen=True):
    """Close the socket and connect anew."""

    reason: str


FeedAction = SetStatus | AskBooks | DropSocket


class FeedSession:
    """The states of one window's market data. Times are those of the feed's clock."""

    def __init__(self, *, open_ns: int, close_ns: int, silent_ns: int) -> None:
        self.state = FeedState.DOWN
        self.reason = "not connected yet"
        self.delay_ns: int | None = None
        """Receipt less the venue's stamp of the newest event; below 0: our clock is behind."""
        self._open_ns = open_ns
        self._close_ns = close_ns
        self._silent_ns = silent_ns
        self._connected = False
        self._was_connected = False
        self._needs_rest = False
        self._asking = False
        self._data_since_ask = False
        self._ask_delay_ns = ASK_FIRST_NS
        self._ask_at_ns = 0
        self._last_data_ns = 0
        self._bad_since_ns = 0
        self._newest_event_ns = 0

    @property
    def last_data_ns(self) -> int:
        """When the books were last confirmed, by the socket or by REST."""
        return self._last_data_ns

    def on_connected(self, at_ns: int) -> list[FeedAction]:
        """A new connection is up; its subscription makes the venue send both books."""
        self._connected = True
        self._needs_rest = self._was_connected
        self._ask_delay_ns = ASK_FIRST_NS
        self._ask_at_ns = at_ns if self._was_connected else at_ns + DUMP_WAIT_NS
        self._was_connected = True
        self._last_data_ns = at_ns
        self._newest_event_ns = 0
        return [*self._enter(FeedState.RESYNCING, "connected"), *self._ask_if_due(at_ns)]

    def on_disconnected(self, reason: str) -> list[FeedAction]:
        """The connection ended, or could not be made."""
        self._connected = False
        return self._enter(FeedState.DOWN, reason)

    def on_data(self, at_ns: int, *, usable: bool, event_ns: int | None = None) -> list[FeedAction]:
        """Take note that the socket brought events; `usable`: both books may be used now.

        `event_ns` is when the newest of them happened by the venue's clock; None for a book that
        was asked for, whose stamp is that of its last change.
        """
        self._last_data_ns = at_ns
        self._data_since_ask = True
        if event_ns is not None and self._connected:
            self._newest_event_ns = max(self._newest_event_ns, event_ns)
            late_ns = self.delay_ns = at_ns - self._newest_event_ns
            if late_ns >= self._silent_ns:
                self._last_data_ns = self._newest_event_ns
                return self._enter_late(at_ns, late_ns)
            if self.state is FeedState.LATE:
                return self._leave_late(at_ns, usable=usable)
        if self.state is FeedState.RESYNCING and usable and not self._needs_rest:
            return self._enter(FeedState.LIVE, "")
        return []

    def on_gap(self, at_ns: int, reason: str) -> list[FeedAction]:
        """React to a book that turned out wrong: ask REST unless a good frame comes first."""
        if self.state is not FeedState.LIVE:
            return []
        return [*self._enter(FeedState.RESYNCING, reason), *self._ask_if_due(at_ns)]

    def on_books(self, at_ns: int, *, usable: bool, missed: bool) -> list[FeedAction]:
        """Take note that REST gave both books; `missed`: they were newer than ours, and other."""
        self._asking = False
        self._needs_rest = False
        self._last_data_ns = at_ns
        if not self._connected:
            return []
        if missed and not self._data_since_ask and self.state is not FeedState.RESYNCING:
            self._connected = False
            text = "the socket missed changes that REST shows"
            return [*self._enter(FeedState.SILENT, text), DropSocket(text)]
        if self.state is FeedState.LIVE:
            return []
        if usable and not (self.state is FeedState.LATE and self._data_since_ask):
            return self._enter(FeedState.LIVE, "")
        self._delay_asking(at_ns)
        return []

    def on_books_failed(self, at_ns: int) -> list[FeedAction]:
        """REST gave no books."""
        self._asking = False
        self._delay_asking(at_ns)
        return []

    def on_tick(self, at_ns: int) -> list[FeedAction]:
        """Let time pass; called at least every 100 ms."""
        if not self._connected:
            return []
        if self.state is FeedState.LIVE:
            return self._watch_silence(at_ns)
        bad = self.state in (FeedState.SILENT, FeedState.LATE)
        if bad and at_ns - self._bad_since_ns >= MUTE_SILENCES * self._silent_ns:
            self._connected = False
            return [DropSocket(f"{self.state} for too long")]
        return self._ask_if_due(at_ns)

    def _watch_silence(self, at_ns: int) -> list[FeedAction]:
        if not self._open_ns <= at_ns < self._close_ns:
            self._last_data_ns = max(self._last_data_ns, min(at_ns, self._open_ns))
            return []
        age_ns = at_ns - self._last_data_ns
        if age_ns < self._silent_ns // 2:
            return []
        if age_ns < self._silent_ns:
            return self._ask_if_due(at_ns)
        self._needs_rest = True
        self._bad_since_ns = at_ns
        text = f"no market data for {age_ns // NS_PER_MS} ms"
        return [*self._enter(FeedState.SILENT, text), *self._ask_if_due(at_ns)]

    def _enter_late(self, at_ns: int, late_ns: int) -> list[FeedAction]:
        text = f"market data arrives {late_ns // NS_PER_MS} ms late, or this clock is ahead"
        if self.state is not FeedState.LATE:
            self._bad_since_ns = self._ask_at_ns = at_ns
        return [*self._enter(FeedState.LATE, text), *self._ask_if_due(at_ns)]

    def _leave_late(self, at_ns: int, *, usable: bool) -> list[FeedAction]:
        if usable and not self._needs_rest:
            return self._enter(FeedState.LIVE, "")
        self._ask_at_ns = at_ns
        return [*self._enter(FeedState.RESYNCING, "data is in time"), *self._ask_if_due(at_ns)]

    def _ask_if_due(self, at_ns: int) -> list[FeedAction]:
        if self._asking or at_ns < self._ask_at_ns:
            return []
        self._asking = True
        self._data_since_ask = False
        return [AskBooks()]

    def _delay_asking(self, at_ns: int) -> None:
        self._ask_at_ns = at_ns + self._ask_delay_ns
        self._ask_delay_ns = min(self._ask_delay_ns * 2, ASK_MOST_NS)

    def _enter(self, state: FeedState, reason: str) -> list[FeedAction]:
        self.reason = reason
        if state is self.state:
            return []
        self.state = state
        if state is FeedState.LIVE:
            self._ask_delay_ns, self._ask_at_ns = ASK_FIRST_NS, 0
        return [SetStatus(state, reason)]

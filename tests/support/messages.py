"""Small messages for tests that do not care what is in them."""

from __future__ import annotations

from pmcore.messages.control import Halt
from pmcore.messages.execution import WindowFlat
from pmcore.messages.market_data import FeedState, FeedStatusChanged
from pmcore.messages.orders import CancelWindow
from pmcore.messages.rotation import WindowAnnounced
from pmcore.messages.user import UserChannelChanged, UserChannelState
from pmcore.model.market import Window

SERIES = "btc-15m"
ACCOUNT = "acct"
SLUG_A = "btc-updown-15m-1790766900"
SLUG_B = "btc-updown-15m-1790767800"


def window(slug: str = SLUG_A) -> Window:
    start_s = int(slug.rsplit("-", 1)[1])
    return Window(
        series=SERIES,
        slug=slug,
        condition_id="0xc0",
        up_token_id="11",
        down_token_id="22",
        open_ns=start_s * 10**9,
        close_ns=(start_s + 900) * 10**9,
        tick_e4=100,
        min_size_u6=5_000_000,
    )


def announced(slug: str = SLUG_A) -> WindowAnnounced:
    return WindowAnnounced(window=window(slug), ts_recv_ns=1)


def status(number: int, slug: str = SLUG_A) -> FeedStatusChanged:
    """For `md`."""
    return FeedStatusChanged(slug=slug, state=FeedState.LIVE, ts_recv_ns=number)


def command(number: int, slug: str = SLUG_A) -> CancelWindow:
    """For `cmd`."""
    return CancelWindow(slug=slug, reason="test", ts_step_ns=number)


def flat(number: int, slug: str = SLUG_A) -> WindowFlat:
    """For `exe`."""
    return WindowFlat(slug=slug, ts_exec_ns=number)


def channel(number: int) -> UserChannelChanged:
    """For `user`."""
    return UserChannelChanged(state=UserChannelState.UP, ts_recv_ns=number)


def halt(number: int) -> Halt:
    """For `ctl`."""
    return Halt(reason="test", by="tester", ts_recv_ns=number)

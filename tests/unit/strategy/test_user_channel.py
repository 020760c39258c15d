"""What a window believes of the user channel."""

from __future__ import annotations

from pmcore.messages.user import UserChannelChanged, UserChannelState
from pmstrategy.user_channel import UserChannelBelief

UP, DOWN, RECONCILING = UserChannelState.UP, UserChannelState.DOWN, UserChannelState.RECONCILING


def said(state: UserChannelState) -> UserChannelChanged:
    return UserChannelChanged(state=state, ts_recv_ns=1)


def test_its_own_word_counts() -> None:
    channel = UserChannelBelief()
    assert channel.to_tell() is None
    for state in (UP, DOWN, RECONCILING):
        assert channel.heard(said(state), flat=True) == said(state)
    assert channel.to_tell() is None


def test_a_doubt_withholds_it_and_its_end_tells_the_newest() -> None:
    channel = UserChannelBelief()
    channel.heard(said(UP), flat=True)
    channel.set_doubt("not alive")
    assert channel.heard(said(RECONCILING), flat=True) is None
    assert channel.to_tell() is None
    channel.set_doubt("")
    assert channel.to_tell() == said(RECONCILING)
    assert channel.to_tell() is None


def test_with_nothing_said_there_is_nothing_to_tell() -> None:
    channel = UserChannelBelief()
    channel.tell_again()
    assert channel.to_tell() is None


def test_after_a_restart_two_reads_since_flat_make_it_up() -> None:
    channel = UserChannelBelief()
    channel.await_reads()
    states = [channel.heard(said(UP), flat=flat) for flat in (False, False, True)]
    assert [heard.state for heard in states if heard] == [RECONCILING] * 3
    assert channel.heard(said(DOWN), flat=True) == said(DOWN)
    channel.tell_again()
    assert channel.to_tell() == said(DOWN)
    assert channel.heard(said(UP), flat=True) == said(UP)
    assert channel.heard(said(UP), flat=False) == said(UP)

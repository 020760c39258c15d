"""What a window may believe of the account's user channel: userws' own word, or a doubt of ours."""

from __future__ import annotations

import msgspec

from pmcore.messages.user import UserChannelChanged, UserChannelState

READS_AFTER_RESTART = 2
"""userws says up after each REST read. The second read after a moment began after that moment."""


class UserChannelBelief:
    """The newest word of userws, and why it does not count now.

    `doubt` is the service's: the word is withheld until it is "". After a restart "up" is taken
    as "reconciling" until REST was read again (`await_reads`).
    """

    def __init__(self) -> None:
        self.doubt = ""
        self._said: UserChannelChanged | None = None
        self._reads_awaited = 0
        self._tell_again = False

    def await_reads(self) -> None:
        """An earlier run joined this window.

        What its orders bought may not be told yet, and nobody remembers the orders.
        """
        self._reads_awaited = READS_AFTER_RESTART

    def set_doubt(self, doubt: str) -> None:
        """Why the channel is not believed now; with "" its newest word is told again."""
        self.doubt = doubt
        self._tell_again = not doubt

    def tell_again(self) -> None:
        """The engine was told something else meanwhile."""
        self._tell_again = True

    def heard(self, said: UserChannelChanged, *, flat: bool) -> UserChannelChanged | None:
        """What the engine may hear of userws' word, None while in doubt.

        `flat`: it is new, and the venue had said before that nothing of ours is open.
        """
        self._said = said
        if flat and said.state is UserChannelState.UP and self._reads_awaited:
            self._reads_awaited -= 1
        return None if self.doubt else self._believed(said)

    def to_tell(self) -> UserChannelChanged | None:
        """The newest word, if it has to be told again; asked when all that came was applied."""
        wanted = self._tell_again and not self.doubt
        self._tell_again = False
        return self._believed(self._said) if wanted and self._said else None

    def _believed(self, said: UserChannelChanged) -> UserChannelChanged:
        if said.state is not UserChannelState.UP or not self._reads_awaited:
            return said
        text = "REST is read for trades of before this start"
        return msgspec.structs.replace(said, state=UserChannelState.RECONCILING, reason=text)

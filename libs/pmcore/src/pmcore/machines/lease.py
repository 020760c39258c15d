"""A lease: who alone may write, for how long, and with which fencing token.

The holder counts its time from the moment it ASKED, the store from the moment it answered, so
the holder stops first. Each new holding has a higher token than all before it: also if the store
lost the last one, because no token is lower than the milliseconds of the wall clock.
"""

from __future__ import annotations

import msgspec

from pmcore.model.units import NS_PER_MS, NS_PER_S

TTL_MS = 6_000
"""How long the store keeps a lease that is not renewed: a second one takes over after it."""
MARGIN_NS = 2 * NS_PER_S
"""The holder stops this long before the end: what it sends then has time to arrive."""


class LeaseHolder(msgspec.Struct, frozen=True):
    """What the store keeps. `run`: one start of one process. `token` rises with each holder."""

    deployment: str
    run: str
    token: int


class Lease:
    """What one process knows of one lease. Times are monotonic."""

    def __init__(self, deployment: str, run: str) -> None:
        self._deployment = deployment
        self._run = run
        self._asked_ns: int | None = None
        self.token = 0
        self.other: LeaseHolder | None = None

    def may_take(self, stored: LeaseHolder | None) -> bool:
        """Whether to try: it is free, or of this process, or of an earlier start of its deployment.

        An older holding of this process is found in a store that lost the newer one.
        """
        if stored is None or self._is_of_this_run(stored):
            return True
        return stored.deployment == self._deployment and not self.token

    def is_own(self, stored: LeaseHolder | None) -> bool:
        """Whether the store says that this process holds it.

        A token that it does not know is of a taking whose answer was lost.
        """
        return stored is not None and self._is_of_this_run(stored) and stored.token >= self.token

    def _is_of_this_run(self, stored: LeaseHolder) -> bool:
        return (stored.deployment, stored.run) == (self._deployment, self._run)

    def next_holder(self, last_token: int) -> LeaseHolder:
        """The process with a token higher than the last that was given and than its own."""
        return LeaseHolder(self._deployment, self._run, max(last_token, self.token) + 1)

    def taken(self, holder: LeaseHolder, asked_ns: int) -> None:
        """The store took it; renewals too."""
        self.token = holder.token
        self._asked_ns = asked_ns
        self.other = None

    def lost(self, holder: LeaseHolder | None) -> None:
        """The store has another one, or (None) nothing."""
        self._asked_ns = None
        self.other = holder

    def valid(self, at_ns: int) -> bool:
        """Whether this process may write now."""
        if self._asked_ns is None:
            return False
        return at_ns - self._asked_ns < TTL_MS * NS_PER_MS - MARGIN_NS

    def refuses(self, at_ns: int) -> str:
        """Why this process may not write now, or ""."""
        if self.valid(at_ns):
            return ""
        if self.other is not None:
            return f"another one holds the lease: {self.other.deployment}, token {self.other.token}"
        return "no lease: it could not be renewed in Redis" if self.token else "no lease yet"

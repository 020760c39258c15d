"""The other services as their liveness keys show them: the placing gate, and who is missing."""

from __future__ import annotations

from collections.abc import Sequence

from pmcore.messages.gate import PlacingGateChanged
from pmcore.model.errors import TransportError
from pmcore.shell.service.health import Alive, read_alive
from pmcore.shell.service.tasks import answered_at_once
from pmcore.wire import keys
from pmcore.wire.ports import Bus


class Peers:
    """Asked a few times a second. What is unknown is closed, and missing."""

    def __init__(self, bus: Bus, account: str, names: Sequence[str]) -> None:
        self._bus = bus
        self._keys = {name: keys.alive(account, name) for name in names}
        self._seen: dict[str, Alive | None] = {}
        self._away = "not asked yet"

    async def look(self) -> None:
        """Read the keys; Redis being away makes everything unknown."""
        if await answered_at_once(self._ask, self._note_away):
            self._away = ""

    async def _ask(self) -> None:
        self._seen = {
            name: read_alive(await self._bus.get(key)) for name, key in self._keys.items()
        }

    def _note_away(self, error: TransportError) -> None:
        self._seen, self._away = {}, str(error)

    def missing(self) -> list[str]:
        """Services that are not there."""
        return [name for name, alive in self._seen.items() if alive is None]

    def gate(self, at_ns: int) -> PlacingGateChanged:
        """Whether the executor may place, as it said in the last three seconds."""
        executor = self._seen.get("executor")
        if self._away:
            is_open, reason = False, f"Redis does not answer: {self._away}"
        elif executor is None:
            is_open, reason = False, "the executor is not there"
        elif executor.placing is None:
            is_open, reason = False, "the executor does not say whether it may place"
        else:
            is_open, reason = executor.placing.open, executor.placing.reason
        return PlacingGateChanged(open=is_open, reason=reason, ts_recv_ns=at_ns)

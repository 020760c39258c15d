"""One channel's frames on a faulty connection.

Silent, lost, late, twice, swapped, joined by unknown ones. Pure and seeded.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import cast

import msgspec

from pmcore.model.units import NS_PER_MS
from pmsim.faults.plan import FaultPlan, StreamFaults, strikes
from pmsim.venue.ports import MarketFrame, UserFrame, VenueEvent


class FaultyStream:
    """Frames go in by `take`, in order; those that were kept back come out of `due`.

    What happens to the n-th frame depends on the seed, the channel and n, not on how time is cut.
    """

    def __init__(self, seed: int, channel: str) -> None:
        self._seed = seed
        self._channel = channel
        self._taken = 0
        self._late: list[tuple[int, int, VenueEvent]] = []
        self._swapped: VenueEvent | None = None
        self._swap_until_ns = 0

    def take(self, event: VenueEvent, faults: StreamFaults, out: list[VenueEvent]) -> None:
        """Process a frame; what arrives now is appended to `out`."""
        self._taken += 1
        if self._hits("unknown", faults.unknown_ppm):
            out.append(_unknown(event))
        if faults.silent or self._hits("drop", faults.drop_ppm):
            return
        if self._hits("delay", faults.delay_ppm):
            due_ns = event.at_ns + faults.delay_ms * NS_PER_MS
            heapq.heappush(self._late, (due_ns, self._taken, _at(event, due_ns)))
            return
        if self._swapped is None and self._hits("reorder", faults.reorder_ppm):
            self._swapped = event
            self._swap_until_ns = event.at_ns + faults.delay_ms * NS_PER_MS
            return
        out.append(event)
        if self._hits("duplicate", faults.duplicate_ppm):
            out.append(event)
        if self._swapped is not None:
            out.append(_at(self._swapped, event.at_ns))
            self._swapped = None

    def due(self, to_ns: int) -> Sequence[VenueEvent]:
        """Late frames whose time has come; a frame that waits for a next one waits no longer."""
        events = []
        if self._swapped is not None and self._swap_until_ns <= to_ns:
            events.append(_at(self._swapped, self._swap_until_ns))
            self._swapped = None
        while self._late and self._late[0][0] <= to_ns:
            events.append(heapq.heappop(self._late)[2])
        return sorted(events, key=lambda event: event.at_ns)

    def next_ns(self) -> int | None:
        """When the next kept frame is due."""
        times = [self._late[0][0]] if self._late else []
        times += [self._swap_until_ns] if self._swapped is not None else []
        return min(times, default=None)

    def _hits(self, kind: str, ppm: int) -> bool:
        return strikes(ppm, self._seed, self._channel, kind, self._taken)


def quirked(event: UserFrame, plan: FaultPlan, seed: int, number: int) -> UserFrame:
    """A user frame with what real ones have been seen to lack (docs/venue.md 6.2, 6.3)."""
    frame = event.frame
    if frame["event_type"] == "order" and strikes(
        plan.empty_size_matched_ppm, seed, "size_matched", number
    ):
        return msgspec.structs.replace(event, frame={**frame, "size_matched": ""})
    if frame["event_type"] == "trade" and strikes(plan.omit_maker_side_ppm, seed, "side", number):
        makers = [
            {key: value for key, value in entry.items() if key != "side"}
            for entry in cast("list[dict[str, object]]", frame["maker_orders"])
        ]
        return msgspec.structs.replace(event, frame={**frame, "maker_orders": makers})
    return event


def _unknown(event: VenueEvent) -> VenueEvent:
    frame: dict[str, object] = {"event_type": "kind_of_a_new_release", "market": event.condition_id}
    if isinstance(event, MarketFrame):
        return msgspec.structs.replace(event, text=msgspec.json.encode(frame).decode())
    return msgspec.structs.replace(event, frame=frame)


def _at(event: VenueEvent, at_ns: int) -> VenueEvent:
    if isinstance(event, MarketFrame):
        return msgspec.structs.replace(event, at_ns=at_ns)
    return msgspec.structs.replace(event, at_ns=at_ns)

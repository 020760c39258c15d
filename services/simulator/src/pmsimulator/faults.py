"""Faults of the connection and of order entry; those inside the venue are `pmsim.faults.plan`.

One object at `/sim/faults` carries both: the fields of `FaultPlan` and those of `DoorFaults`.
Chance is a digest of the seed and a count, so the same requests meet the same faults.
"""

from __future__ import annotations

import msgspec

from pmcore.model.errors import MalformedInputError
from pmcore.venue.fields import decode_json_as
from pmcore.venue.relayer import SUBMIT_PATH
from pmsim.faults.plan import FaultPlan, TransportFaults, strikes
from pmsimulator.answers import VenueError

_ORDER_PATHS = ("/order", "/orders", SUBMIT_PATH)


class ScriptedRefusal(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The answer to the next `count` orders; `{id}` in the text becomes the order's id."""

    status: int = 400
    text: str = ""
    count: int = 1
    retry_after_s: int = 0


class DoorFaults(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Orders that are refused before the engine sees them.

    Addresses are those of keys or wallets, in any case of letters; `not_allowed` applies to plain
    wallets only (signature type 0). The counts of `refusals` run down as they are used, and so do
    those of merges: that many of the next ones fail, or happen and never say so.
    """

    refusals: list[ScriptedRefusal] = []
    banned: list[str] = []
    closed_only: list[str] = []
    not_allowed: list[str] = []
    failed_merges: int = 0
    stuck_merges: int = 0


class FaultRequest(msgspec.Struct, frozen=True):
    """The body of `POST /sim/faults`, sorted by who carries it out."""

    plan: FaultPlan
    door: DoorFaults

    def row(self) -> dict[str, object]:
        """As one object again."""
        return {**msgspec.to_builtins(self.plan), **msgspec.to_builtins(self.door)}


def read_faults(body: bytes | str) -> FaultRequest:
    """What is not named is no fault; raise `MalformedInputError` saying what is wrong."""
    door_fields = set(DoorFaults.__struct_fields__)
    try:
        fields = decode_json_as(body or b"{}", dict[str, object])
        of_door = {name: value for name, value in fields.items() if name in door_fields}
        of_plan = {name: value for name, value in fields.items() if name not in door_fields}
        return FaultRequest(
            msgspec.convert(of_plan, FaultPlan), msgspec.convert(of_door, DoorFaults)
        )
    except (MalformedInputError, msgspec.ValidationError) as error:
        raise MalformedInputError("bad_faults", str(error)) from error


class DoorKeeper:
    """The refusals in force."""

    def __init__(self, faults: DoorFaults | None = None) -> None:
        self.faults = faults or DoorFaults()

    def check_order(self, order_hash: str) -> None:
        """Raise the scripted refusal that is next in line."""
        for script in self.faults.refusals:
            if script.count > 0:
                script.count -= 1
                wait = {"Retry-After": str(script.retry_after_s)} if script.retry_after_s else None
                raise VenueError(
                    script.status, script.text.replace("{id}", order_hash), headers=wait
                )

    def check_addresses(self, *addresses: str) -> None:
        """Raise the refusal of a banned or closed-only address."""
        for address in addresses:
            if _names(self.faults.banned, address):
                raise VenueError(400, f"'{address}' address banned")
            if _names(self.faults.closed_only, address):
                raise VenueError(400, f"'{address}' address in closed only mode")

    def fails_merge(self) -> bool:
        """Whether the next merge fails on the chain; uses one up."""
        self.faults.failed_merges -= (fails := self.faults.failed_merges > 0)
        return fails

    def sticks_merge(self) -> bool:
        """Whether the next merge is never told of; uses one up."""
        self.faults.stuck_merges -= (sticks := self.faults.stuck_merges > 0)
        return sticks

    def is_closed_only(self, address: str) -> bool:
        """Whether an address may only close."""
        return _names(self.faults.closed_only, address)

    def check_plain_wallet(self, address: str) -> None:
        """Raise the refusal of a wallet that is not on the allow-list."""
        if _names(self.faults.not_allowed, address):
            raise VenueError(400, "maker address not allowed, please use the deposit wallet flow")


class Dice:
    """Which requests the faults of the connection apply to."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._rolls = 0

    def loses_response(self, faults: TransportFaults, method: str, path: str) -> bool:
        """Whether to carry this POST out and then cut its connection."""
        return _posts_orders(method, path) and self._strikes(faults.lose_response_ppm, "lose")

    def answers_late_error(self, faults: TransportFaults, method: str, path: str) -> bool:
        """Whether to carry this POST out and then answer 500."""
        return _posts_orders(method, path) and self._strikes(faults.error_after_ppm, "error")

    def delay_ms(self, faults: TransportFaults) -> int:
        """How long this request waits before it is looked at."""
        return faults.slow_ms if self._strikes(faults.slow_ppm, "slow") else 0

    def _strikes(self, ppm: int, what: str) -> bool:
        self._rolls += 1
        return strikes(ppm, self._seed, what, self._rolls)


def _posts_orders(method: str, path: str) -> bool:
    return method == "POST" and path in _ORDER_PATHS


def _names(addresses: list[str], address: str) -> bool:
    return address.lower() in (each.lower() for each in addresses)

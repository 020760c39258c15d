"""The user channel's own variables: API credentials, and never the private key."""

from __future__ import annotations

from pydantic import Field

from pmcore.shell.settings.account import AccountSettings, Address
from pmcore.shell.settings.problems import Problem, rule

_DAY_S = 86_400
_MARGIN_S = 600
"""Trades may be told so long after the close."""


class UserwsSettings(AccountSettings):
    """The account's settings plus how long to wait for credentials and how to reconcile."""

    address: Address | None = Field(None, validation_alias="POLYMARKET_ADDRESS")
    credentials_wait_s: float = Field(
        60.0, validation_alias="PM_USERWS_CREDENTIALS_WAIT_S", ge=0, le=3600
    )
    lookback_s: int = Field(3600, validation_alias="PM_USERWS_LOOKBACK_S", ge=60, le=86_400)
    reconcile_s: float = Field(30.0, validation_alias="PM_USERWS_RECONCILE_S", ge=1, le=3600)
    journal: bool = Field(default=True, validation_alias="PM_JOURNAL")

    @property
    def reach_s(self) -> int:
        """How far back trades are read: a whole window at least, of a length not known a day."""
        windows_s = (spec.length_s or _DAY_S for spec in self.series)
        return max(self.lookback_s, min(max(windows_s) + _MARGIN_S, _DAY_S))

    @rule("api_key", "address")
    def _credentials_need_their_address(self) -> Problem | None:
        if self.api_key is None or self.address is not None:
            return None
        return Problem(
            variable="POLYMARKET_ADDRESS",
            reason="needed beside POLYMARKET_API_KEY (signing address)",
            remedy="set it to the address of the key that made the credentials",
        )

"""Everything the executor reads from the environment, checked at start, all faults at once."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from pmcore.machines.order_life import OrderLife, expiration_s
from pmcore.machines.rate_budget import RateTier
from pmcore.model.errors import MalformedInputError
from pmcore.model.latency import Latencies, parse_latencies
from pmcore.model.market import Window
from pmcore.model.params import OrderCaps
from pmcore.model.units import NS_PER_S, PRICE_ONE_E4, SHARE_U6
from pmcore.shell.settings.account import AccountSettings
from pmcore.shell.settings.common import Mode
from pmcore.shell.settings.problems import Problem, rule
from pmcore.shell.settings.strategy import Dollars, Price, Seconds, Shares, SharesOrNone
from pmexecutor.signer import SignatureType, address_of_key

THROWAWAY_KEY = "0x" + "11" * 32
"""A public key without value: signs in the simulator when no key is given; refused in live."""
THROWAWAY_ADDRESS = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
CHAIN_IDS = (137, 80002)
_KEY = re.compile(r"(0x)?[0-9a-fA-F]{64}")
_CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def _check_key(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if not _KEY.fullmatch(text) or not 0 < int(text, 16) < _CURVE_ORDER:
        raise ValueError(
            f"{len(text)} characters; expected 64 hex digits, with or without 0x "
            "(it is not an address or a phrase)"
        )
    return secret


def _check_chain(chain_id: int) -> int:
    if chain_id not in CHAIN_IDS:
        raise ValueError("expected 137 (Polygon) or 80002 (Amoy)")
    return chain_id


def _check_latency(text: str) -> str:
    try:
        parse_latencies(text)
    except MalformedInputError as error:
        raise ValueError(error.detail) from None
    return text


class ExecutorSettings(AccountSettings):
    """The only settings in the system that may hold a private key."""

    private_key: Annotated[SecretStr, AfterValidator(_check_key)] | None = Field(
        None, validation_alias="POLYMARKET_PRIVATE_KEY"
    )
    chain_id: Annotated[int, AfterValidator(_check_chain)] = Field(
        137, validation_alias="PM_CHAIN_ID"
    )
    rate_tier: RateTier = Field(RateTier.STANDARD, validation_alias="PM_RATE_TIER")
    cancel_reserve: int = Field(20, validation_alias="PM_CANCEL_RESERVE", ge=0, le=100)
    post_timeout_ms: int = Field(3_000, validation_alias="PM_POST_TIMEOUT_MS", ge=100, le=30_000)
    read_timeout_ms: int = Field(5_000, validation_alias="PM_READ_TIMEOUT_MS", ge=100, le=30_000)
    post_concurrency: int = Field(16, validation_alias="PM_POST_CONCURRENCY", ge=1, le=64)
    paper_latency_ms: Annotated[str, AfterValidator(_check_latency)] = Field(
        "60", validation_alias="PM_PAPER_LATENCY_MS"
    )
    paper_fills: Literal["pessimistic", "central", "optimistic"] = Field(
        "central", validation_alias="PM_PAPER_FILLS"
    )
    bid_size: Shares = Field(Decimal(2), validation_alias="PM_BID_SIZE")
    max_position_value: Dollars = Field(Decimal(5), validation_alias="PM_MAX_POSITION_VALUE")
    pair_target: Price = Field(Decimal("0.99"), validation_alias="PM_PAIR_TARGET")
    max_net_diff: Shares = Field(Decimal(10), validation_alias="PM_MAX_NET_DIFF")
    max_window_loss: Dollars | None = Field(None, validation_alias="PM_MAX_WINDOW_LOSS")
    merge_min_pairs: SharesOrNone = Field(Decimal(0), validation_alias="PM_MERGE_MIN_PAIRS")
    order_life: OrderLife = Field(OrderLife.GTC, validation_alias="PM_ORDER_LIFE")
    cancel_before_close_s: Seconds = Field(Decimal(5), validation_alias="PM_CANCEL_BEFORE_CLOSE_S")
    journal: bool = Field(default=True, validation_alias="PM_JOURNAL")
    window_linger_s: int = Field(900, validation_alias="PM_WINDOW_LINGER_S", ge=0, le=86_400)

    @rule("signature_type", "funder_address")
    def _funder_matches_type(self) -> Problem | None:
        if self.signature_type == SignatureType.EOA or self.funder_address is not None:
            return None
        return Problem(
            variable="POLYMARKET_FUNDER_ADDRESS",
            reason=f"signature type {self.signature_type} needs the address of the wallet that "
            "holds the money",
            remedy="set it to that wallet, or POLYMARKET_SIGNATURE_TYPE=0",
        )

    @rule("venue", "dry_run", "merge_min_pairs")
    def _live_does_not_merge(self) -> Problem | None:
        if self.mode is not Mode.LIVE or not self.merge_min_pairs:
            return None
        return Problem(
            variable="PM_MERGE_MIN_PAIRS",
            value=str(self.merge_min_pairs),
            reason="this release merges in dry mode and at the simulator only, not at the real "
            "venue (docs/decisions/0028-merging-pairs.md)",
            remedy="set it to 0",
        )

    @rule("venue", "dry_run", "private_key")
    def _live_needs_a_real_key(self) -> Problem | None:
        if self.mode is not Mode.LIVE:
            return None
        if self.private_key is None:
            return Problem(
                variable="POLYMARKET_PRIVATE_KEY",
                reason="live trading (PM_DRY_RUN=false) needs a key",
                remedy="set POLYMARKET_PRIVATE_KEY_FILE to a file that only the executor can read",
            )
        if address_of_key(self.key_bytes()) != THROWAWAY_ADDRESS:
            return None
        return Problem(
            variable="POLYMARKET_PRIVATE_KEY",
            reason="the simulator's public throw-away key",
            remedy="set the key of your own account",
        )

    @property
    def paper_latencies(self) -> Latencies:
        """What PM_PAPER_LATENCY_MS says."""
        return parse_latencies(self.paper_latency_ms)

    def order_caps(self) -> OrderCaps:
        """The strategy's own settings: what it may ask for at most."""
        loss = self.max_window_loss
        return OrderCaps(
            bid_size_u6=int(self.bid_size * SHARE_U6),
            max_position_value_u6=int(self.max_position_value * SHARE_U6),
            pair_target_e4=int(self.pair_target * PRICE_ONE_E4),
            max_net_diff_u6=int(self.max_net_diff * SHARE_U6),
            max_window_loss_u6=None if loss is None else int(loss * SHARE_U6),
            merge_min_pairs_u6=int(self.merge_min_pairs * SHARE_U6),
        )

    def expiration_s(self, at_ns: int, window: Window) -> int:
        """What an order of a window that is sent now states; 0: it does not expire."""
        quoting_end_ns = window.close_ns - int(self.cancel_before_close_s * NS_PER_S)
        return expiration_s(self.order_life, at_ns, quoting_end_ns)

    def key_bytes(self) -> bytes:
        """The key that signs; the throw-away one where none is given (never in live)."""
        text = self.private_key.get_secret_value() if self.private_key else THROWAWAY_KEY
        return bytes.fromhex(text.removeprefix("0x"))

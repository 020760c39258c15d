"""The relayer's formats: a merge as a call of the contract, a submission, a transaction.

See docs/venue.md 9. No signature is made here: only the simulator takes what is not signed.
"""

from __future__ import annotations

import re
from enum import StrEnum

import msgspec

from pmcore.model.errors import MalformedInputError
from pmcore.venue.fields import as_object, optional_text, text_of

SUBMIT_PATH = "/submit"
TRANSACTION_PATH = "/v1/account/transactions/"
UPDATE_BALANCE_PATH = "/balance-allowance/update"
SUBMITS_PER_MINUTE = 25
MERGE_CONTRACT = "0xAdA100Db00Ca00073811820692005400218FcE1f"
COLLATERAL = "0xC011a7E12a19f7B1f670d46F03B03f3342E82DFB"
MERGE_SELECTOR = "9e7212ad"
"""Of `mergePositions(address,bytes32,bytes32,uint256[],uint256)`."""
_WORD = 64
_ID = re.compile(r"0x[0-9a-fA-F]{64}")
_PARTITION_AT = 5 * 32
_BOTH = (1, 2)


class RelayerState(StrEnum):
    """Of a transaction. MINED may still be undone; CONFIRMED, FAILED and INVALID are final."""

    NEW = "STATE_NEW"
    EXECUTED = "STATE_EXECUTED"
    MINED = "STATE_MINED"
    CONFIRMED = "STATE_CONFIRMED"
    FAILED = "STATE_FAILED"
    INVALID = "STATE_INVALID"


class Submission(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The body of `POST /submit`; `from_` is the key's address."""

    type: str = "SAFE"
    from_: str = msgspec.field(name="from")
    to: str
    proxy_wallet: str
    data: str
    nonce: str = "0"
    signature: str = "0x"
    metadata: str = ""


class RelayerTransaction(msgspec.Struct, frozen=True):
    """What the relayer says of a submission; a state of an unknown name is NEW."""

    transaction_id: str
    state: RelayerState
    error: str = ""


def merge_call(condition_id: str, size_u6: int) -> str:
    """The call that merges so many shares of both outcomes; `condition_id` has 32 bytes."""
    if not _ID.fullmatch(condition_id):
        raise MalformedInputError("bad_condition", condition_id[:80])
    partition = (len(_BOTH), *_BOTH)
    words = [int(COLLATERAL, 16), 0, int(condition_id, 16), _PARTITION_AT, size_u6, *partition]
    return "0x" + MERGE_SELECTOR + "".join(f"{word:0{_WORD}x}" for word in words)


def parse_merge_call(data: str) -> tuple[str, int]:
    """The condition and the size of a call; raise `MalformedInputError` for any other call."""
    condition_at = len("0x") + len(MERGE_SELECTOR) + 2 * _WORD
    size_at = condition_at + 2 * _WORD
    condition_id = "0x" + data[condition_at : condition_at + _WORD]
    size = data[size_at : size_at + _WORD]
    is_call = _ID.fullmatch(condition_id) and _ID.fullmatch("0x" + size)
    if not is_call or merge_call(condition_id, int(size, 16)).lower() != data.lower():
        raise MalformedInputError("bad_call", data[:80])
    return condition_id.lower(), int(size, 16)


def parse_submitted(body: object) -> str:
    """The id of what was submitted; raise `MalformedInputError` where there is none."""
    return text_of(as_object(body), "transactionID")


def parse_transaction(body: object) -> RelayerTransaction:
    """The answer about one transaction; raise `MalformedInputError` for any other shape."""
    row = as_object(body)
    state = text_of(row, "state")
    known = RelayerState(state) if state in set(RelayerState) else RelayerState.NEW
    return RelayerTransaction(
        text_of(row, "transaction_id"), known, optional_text(row, "error_msg")
    )

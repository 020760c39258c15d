"""The relayer's formats."""

from __future__ import annotations

import pytest
from Crypto.Hash import keccak

from pmcore.model.errors import MalformedInputError
from pmcore.venue.relayer import (
    COLLATERAL,
    MERGE_SELECTOR,
    RelayerState,
    RelayerTransaction,
    merge_call,
    parse_merge_call,
    parse_submitted,
    parse_transaction,
)

CONDITION = "0x" + "c0" * 32
CALL = (
    "0x9e7212ad"
    "000000000000000000000000c011a7e12a19f7b1f670d46f03b03f3342e82dfb"
    "0000000000000000000000000000000000000000000000000000000000000000"
    "c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0"
    "00000000000000000000000000000000000000000000000000000000000000a0"
    "00000000000000000000000000000000000000000000000000000000004c4b40"
    "0000000000000000000000000000000000000000000000000000000000000002"
    "0000000000000000000000000000000000000000000000000000000000000001"
    "0000000000000000000000000000000000000000000000000000000000000002"
)
"""As eth-abi encodes (address, bytes32, bytes32, uint256[], uint256)."""


def test_a_merge_is_the_call_that_the_contract_knows() -> None:
    name = b"mergePositions(address,bytes32,bytes32,uint256[],uint256)"
    assert keccak.new(digest_bits=256, data=name).hexdigest()[:8] == MERGE_SELECTOR
    assert merge_call(CONDITION, 5_000_000) == CALL
    assert COLLATERAL[2:].lower() in CALL


def test_a_call_is_read_as_it_was_written() -> None:
    assert parse_merge_call(CALL) == (CONDITION, 5_000_000)
    assert parse_merge_call(CALL.upper().replace("0X", "0x")) == (CONDITION, 5_000_000)


@pytest.mark.parametrize(
    "data", ["", "0x", CALL[:-1], CALL + "00", CALL.replace("9e7212ad", "72ce4275"), CALL[:200]]
)
def test_any_other_call_is_refused(data: str) -> None:
    with pytest.raises(MalformedInputError):
        parse_merge_call(data)


def test_a_condition_of_another_length_has_no_call() -> None:
    with pytest.raises(MalformedInputError):
        merge_call("0xab", 1)


def test_answers_are_read() -> None:
    assert parse_submitted({"transactionID": "a1", "state": "STATE_NEW"}) == "a1"
    row = {"transaction_id": "a1", "state": "STATE_FAILED", "error_msg": "reverted"}
    assert parse_transaction(row) == RelayerTransaction("a1", RelayerState.FAILED, "reverted")
    row = {"transaction_id": "a1", "state": "STATE_OF_TOMORROW"}
    assert parse_transaction(row) == RelayerTransaction("a1", RelayerState.NEW)
    bodies: tuple[object, ...] = ("", {"state": "STATE_NEW"}, [])
    for body in bodies:
        with pytest.raises(MalformedInputError):
            parse_submitted(body)
        with pytest.raises(MalformedInputError):
            parse_transaction(body)

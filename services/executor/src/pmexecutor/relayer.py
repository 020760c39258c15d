"""Merges at the simulator's relayer; the real one takes signed transactions only.

A transaction is submitted once. Whatever leaves open whether it got in is UNKNOWN.
"""

from __future__ import annotations

import msgspec

from pmcore.engine.execution.io import MergeAnswered, SubmitMerge
from pmcore.messages.execution import MergeStatus
from pmcore.model.errors import MalformedInputError, Sent, TransportError
from pmcore.model.market import Protocol, Window
from pmcore.shell.clock import Clock
from pmcore.venue.l2_auth import ApiCredentials
from pmcore.venue.relayer import (
    MERGE_CONTRACT,
    SUBMIT_PATH,
    TRANSACTION_PATH,
    UPDATE_BALANCE_PATH,
    RelayerState,
    RelayerTransaction,
    Submission,
    merge_call,
    parse_submitted,
    parse_transaction,
)
from pmexecutor.clob_http import ClobHttp

POLL_MS = 2_000
MAX_POLLS = 100
_SERVER_ERROR = 500
_ENDS = {
    RelayerState.CONFIRMED: MergeStatus.MERGED,
    RelayerState.FAILED: MergeStatus.FAILED,
    RelayerState.INVALID: MergeStatus.FAILED,
}


class RelayerMerger:
    """`PairMerger` over HTTP. `address` is the key's, `wallet` holds the shares."""

    def __init__(
        self,
        http: ClobHttp,
        credentials: ApiCredentials,
        clock: Clock,
        *,
        address: str,
        wallet: str,
        signature_type: int,
        timeout_s: float,
    ) -> None:
        self._http = http
        self._credentials = credentials
        self._clock = clock
        self._address = address
        self._wallet = wallet
        self._signature_type = signature_type
        self._timeout_s = timeout_s

    async def merge(self, window: Window, request: SubmitMerge) -> MergeAnswered:
        """Submit, then ask until it is final; raise nothing."""
        if window.protocol is not Protocol.V1:
            return _answer(request, MergeStatus.FAILED, "merging is not built for Protocol V2")
        submission = Submission(
            from_=self._address,
            to=MERGE_CONTRACT,
            proxy_wallet=self._wallet,
            data=merge_call(window.condition_id, request.size_u6),
            metadata=request.merge_id,
        )
        try:
            answer = await self._http.request(
                "POST",
                SUBMIT_PATH,
                headers={},
                timeout_s=self._timeout_s,
                body=msgspec.json.encode(submission),
            )
        except TransportError as error:
            status = MergeStatus.FAILED if error.sent is Sent.NO else MergeStatus.UNKNOWN
            return _answer(request, status, str(error))
        said = f"{answer.status} {answer.body}"
        if not answer.ok:
            unknown = answer.status >= _SERVER_ERROR
            return _answer(request, MergeStatus.UNKNOWN if unknown else MergeStatus.FAILED, said)
        try:
            transaction_id = parse_submitted(answer.body)
        except MalformedInputError:
            return _answer(request, MergeStatus.UNKNOWN, said)
        return await self._until_final(request, transaction_id)

    async def _until_final(self, request: SubmitMerge, transaction_id: str) -> MergeAnswered:
        for _ in range(MAX_POLLS):
            await self._clock.sleep_ms(POLL_MS)
            found = await self._look(transaction_id)
            status = _ENDS.get(found.state) if found is not None else None
            if status is MergeStatus.MERGED:
                await self._update_balance()
            if found is not None and status is not None:
                text = f"transaction {transaction_id} {found.error}".strip()
                return _answer(request, status, text)
        text = f"transaction {transaction_id} had no end after {MAX_POLLS} questions"
        return _answer(request, MergeStatus.UNKNOWN, text)

    async def _look(self, transaction_id: str) -> RelayerTransaction | None:
        try:
            answer = await self._http.request(
                "GET", TRANSACTION_PATH + transaction_id, headers={}, timeout_s=self._timeout_s
            )
            return parse_transaction(answer.body) if answer.ok else None
        except (TransportError, MalformedInputError):
            return None  # asked again

    async def _update_balance(self) -> None:
        """Otherwise the CLOB may refuse orders by an old balance (docs/venue.md 9)."""
        params = {"asset_type": "COLLATERAL", "signature_type": str(self._signature_type)}
        try:
            await self._http.signed(
                self._credentials,
                "GET",
                UPDATE_BALANCE_PATH,
                timeout_s=self._timeout_s,
                params=params,
            )
        except TransportError:
            return  # it finds the new balance by itself, later


def _answer(request: SubmitMerge, status: MergeStatus, text: str) -> MergeAnswered:
    return MergeAnswered(request.slug, request.merge_id, status, text)

"""Merges at the relayer: what each answer, and each missing one, means."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import msgspec
import pytest

from pmcore.engine.execution.io import SubmitMerge
from pmcore.messages.execution import MergeStatus
from pmcore.model.errors import Cause, Sent, TransportError
from pmcore.model.market import Protocol
from pmcore.shell.clock import Clock
from pmcore.venue.l2_auth import ApiCredentials
from pmcore.venue.relayer import Submission, parse_merge_call
from pmexecutor import relayer
from pmexecutor.clob_http import ClobAnswer, ClobHttp
from pmexecutor.relayer import RelayerMerger
from support.builders import CONDITION, window
from support.merges import FAILED, MERGED, UNKNOWN

REQUEST = SubmitMerge(window().slug, "m1", 5_000_000)
SUBMITTED = ClobAnswer(200, {"transactionID": "7", "state": "STATE_NEW"}, None, None)


class Answers(ClobHttp):
    """Answers in this order; a request beyond them is a mistake."""

    def __init__(self, *answers: ClobAnswer | TransportError) -> None:
        self.answers = deque(answers)
        self.asked: list[tuple[str, str, bytes]] = []

    def now_ns(self) -> int:
        return 0

    async def request(self, method: str, path: str, **more: object) -> ClobAnswer:
        body = more.get("body", b"")
        assert isinstance(body, bytes)
        self.asked.append((method, path, body))
        answer = self.answers.popleft()
        if isinstance(answer, TransportError):
            raise answer
        return answer


def state(name: str, error: str = "") -> ClobAnswer:
    row = {"transaction_id": "7", "state": f"STATE_{name}", "error_msg": error}
    return ClobAnswer(200, row, None, None)


def lost(sent: Sent = Sent.UNKNOWN) -> TransportError:
    return TransportError("lost", retryable=True, sent=sent, cause=Cause.TIMEOUT)


async def merged(http: Answers, protocol: Protocol = Protocol.V1) -> tuple[MergeStatus, str]:
    merger = RelayerMerger(
        http,
        ApiCredentials(api_key="key", secret="c2VjcmV0", passphrase="phrase", address="0xaddress"),
        Clock.starting_at(0, 10_000.0),
        address="0xaddress",
        wallet="0xwallet",
        signature_type=2,
        timeout_s=1,
    )
    answer = await merger.merge(msgspec.structs.replace(window(), protocol=protocol), REQUEST)
    assert (answer.slug, answer.merge_id) == (REQUEST.slug, "m1")
    assert not http.answers
    return answer.status, answer.text


async def test_a_merge_is_submitted_once_and_asked_for_until_the_chain_has_it_for_good() -> None:
    balance = ClobAnswer(200, "", None, None)
    polls: list[ClobAnswer | TransportError] = [
        state("NEW"),
        lost(),
        state("EXECUTED"),
        state("MINED"),
        state("CONFIRMED"),
    ]
    http = Answers(SUBMITTED, *polls, balance)
    assert await merged(http) == (MERGED, "transaction 7")
    assert [path for method, path, _ in http.asked if method == "POST"] == ["/submit"]
    body = msgspec.json.decode(http.asked[0][2], type=Submission)
    assert parse_merge_call(body.data) == (CONDITION, 5_000_000)
    assert (body.from_, body.proxy_wallet) == ("0xaddress", "0xwallet")
    assert http.asked[-1][1] == "/balance-allowance/update"


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        ([ClobAnswer(400, {"error": "wallet busy"}, None, None)], FAILED),
        ([ClobAnswer(429, {"error": "Too Many Requests"}, "9", None)], FAILED),
        ([lost(Sent.NO)], FAILED),
        ([SUBMITTED, state("FAILED", "reverted")], FAILED),
        ([SUBMITTED, state("INVALID")], FAILED),
        ([lost(Sent.UNKNOWN)], UNKNOWN),
        ([lost(Sent.YES)], UNKNOWN),
        ([ClobAnswer(502, "bad gateway", None, None)], UNKNOWN),
        ([ClobAnswer(200, "hello", None, None)], UNKNOWN),
    ],
)
async def test_only_a_certain_no_is_a_failure(
    answers: Sequence[ClobAnswer | TransportError], status: MergeStatus
) -> None:
    found, text = await merged(Answers(*answers))
    assert found is status
    assert text


async def test_a_balance_that_cannot_be_updated_changes_nothing() -> None:
    assert (await merged(Answers(SUBMITTED, state("CONFIRMED"), lost())))[0] is MERGED


async def test_a_transaction_without_an_end_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relayer, "MAX_POLLS", 2)
    unreadable = ClobAnswer(200, [], None, None)
    status, text = await merged(Answers(SUBMITTED, unreadable, ClobAnswer(404, "", None, None)))
    assert (status, text) == (UNKNOWN, "transaction 7 had no end after 2 questions")


async def test_markets_of_protocol_v2_are_not_merged() -> None:
    assert (await merged(Answers(), Protocol.V2))[0] is FAILED

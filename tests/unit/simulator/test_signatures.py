"""The official client signs; the simulator must find the same id and the same signer."""

from __future__ import annotations

import importlib.util
import inspect
import re
from types import ModuleType

import pytest
from py_clob_client_v2.order_utils.exchange_order_builder_v2 import ExchangeOrderBuilderV2
from py_clob_client_v2.order_utils.model.order_data_v2 import OrderDataV2, SignedOrderV2
from py_clob_client_v2.order_utils.model.side import Side
from py_clob_client_v2.order_utils.model.signature_type_v2 import SignatureTypeV2
from py_clob_client_v2.signer import Signer
from py_clob_client_v2.signing.eip712 import sign_clob_auth_message

from pmcore.model.market import Protocol
from pmcore.venue import contracts
from pmcore.venue.contracts import Domain, OrderContent, exchange_domain
from pmsimulator import signatures
from pmsimulator.signatures import BadSignatureError, auth_signer, order_digest, order_signer

KEY = "0x" + "42" * 32
WALLET = "0x" + "77" * 20


def signed(domain: Domain, signature_type: int, side: Side) -> tuple[SignedOrderV2, str]:
    signer = Signer(KEY, domain.chain_id)
    builder = ExchangeOrderBuilderV2(
        domain.contract, domain.chain_id, signer, domain_version=domain.version
    )
    data = OrderDataV2(
        maker=signer.address() if signature_type == 0 else WALLET,
        signer=WALLET if signature_type == 3 else signer.address(),
        tokenId="123456789",
        makerAmount="4800000",
        takerAmount="10000000",
        side=side,
        signatureType=SignatureTypeV2(signature_type),
        timestamp="1790000000123",
    )
    order = builder.build_signed_order(data)
    return order, builder.build_order_hash(builder.build_order_typed_data(order))


def content_of(order: SignedOrderV2, **changes: object) -> OrderContent:
    fields: dict[str, object] = {
        "salt": int(order.salt),
        "maker": order.maker,
        "signer": order.signer,
        "token_id": int(order.tokenId),
        "maker_amount": int(order.makerAmount),
        "taker_amount": int(order.takerAmount),
        "side": int(order.side),
        "signature_type": int(order.signatureType),
        "timestamp_ms": int(order.timestamp),
        "metadata": order.metadata,
        "builder": order.builder,
        **changes,
    }
    return OrderContent(**fields)  # type: ignore[arg-type]  # built from a mapping for brevity


DOMAINS = [
    exchange_domain(137, Protocol.V1, neg_risk=False),
    exchange_domain(137, Protocol.V1, neg_risk=True),
    exchange_domain(80002, Protocol.V2, neg_risk=False),
]


@pytest.mark.parametrize("domain", DOMAINS, ids=lambda d: f"{d.version}-{d.contract[:6]}")
@pytest.mark.parametrize("signature_type", [0, 1, 2, 3])
def test_the_id_and_the_signer_are_the_official_clients(
    domain: Domain, signature_type: int
) -> None:
    order, order_id = signed(domain, signature_type, Side.SELL)
    content = content_of(order)
    assert "0x" + order_digest(content, domain).hex() == order_id
    assert order_signer(content, domain, order.signature) == Signer(KEY, 137).address()


@pytest.mark.parametrize("signature_type", [0, 3])
def test_a_changed_order_has_another_signer_or_none(signature_type: int) -> None:
    order, _ = signed(DOMAINS[0], signature_type, Side.BUY)
    content = content_of(order, maker_amount=4_900_000)
    try:
        found = order_signer(content, DOMAINS[0], order.signature)
    except BadSignatureError:
        return
    assert found != Signer(KEY, 137).address()


@pytest.mark.parametrize(
    "changes",
    [{"maker": "0x12"}, {"salt": 2**256}, {"metadata": "0x00"}, {"builder": "zz"}],
    ids=lambda changes: next(iter(changes)),
)
def test_impossible_values_are_a_bad_signature(changes: dict[str, object]) -> None:
    order, _ = signed(DOMAINS[0], 0, Side.BUY)
    with pytest.raises(BadSignatureError):
        order_signer(content_of(order, **changes), DOMAINS[0], order.signature)


@pytest.mark.parametrize(
    "signature", ["", "zz", "00" * 64, "00" * 65, "ff" * 64 + "05", "ff" * 64 + "1b"]
)
def test_what_is_no_signature_is_refused(signature: str) -> None:
    order, _ = signed(DOMAINS[0], 0, Side.BUY)
    with pytest.raises(BadSignatureError):
        order_signer(content_of(order), DOMAINS[0], signature)


@pytest.mark.parametrize("signature_type", [0, 3])
def test_the_case_of_an_address_changes_nothing(signature_type: int) -> None:
    order, order_id = signed(DOMAINS[0], signature_type, Side.BUY)
    content = content_of(
        order, maker=order.maker.upper().replace("0X", "0x"), signer=order.signer.lower()
    )
    assert "0x" + order_digest(content, DOMAINS[0]).hex() == order_id
    assert order_signer(content, DOMAINS[0], order.signature) == Signer(KEY, 137).address()


@pytest.mark.parametrize("last_byte", [0, 27])
def test_both_ways_to_write_the_last_byte_of_a_signature_are_known(last_byte: int) -> None:
    order, _ = signed(DOMAINS[0], 0, Side.BUY)
    raw = bytes.fromhex(order.signature.removeprefix("0x"))
    written = raw[:64] + bytes([raw[64] % 27 + last_byte])
    assert order_signer(content_of(order), DOMAINS[0], written.hex()) == Signer(KEY, 137).address()


@pytest.mark.parametrize("signature_type", [0, 3])
def test_no_text_that_the_executor_signs_with_is_used_here(
    monkeypatch: pytest.MonkeyPatch, signature_type: int
) -> None:
    """A fault in the shared texts must make the simulator refuse orders, not agree with us."""
    for name, value in vars(contracts).items():
        if name.startswith(("EXCHANGE_NAME", "WALLET_")) and isinstance(value, str):
            monkeypatch.setattr(contracts, name, value + "?")
        if name.endswith("_TYPE") and isinstance(value, bytes):
            monkeypatch.setattr(contracts, name, value.replace(b"salt", b"pepper"))
    assert b"pepper" in contracts.ORDER_TYPE
    fresh = loaded_anew(signatures)
    order, order_id = signed(DOMAINS[0], signature_type, Side.BUY)
    content = content_of(order)
    assert "0x" + fresh.order_digest(content, DOMAINS[0]).hex() == order_id
    assert fresh.order_signer(content, DOMAINS[0], order.signature) == Signer(KEY, 137).address()


def test_of_the_account_library_only_recovery_is_used() -> None:
    used = re.findall(
        r"\bAccount\b[.\w]*", inspect.getsource(signatures).split("import Account")[1]
    )
    assert set(used) == {"Account.recover_message"}


def loaded_anew(module: ModuleType) -> ModuleType:
    assert module.__spec__ is not None
    assert module.__spec__.origin is not None
    spec = importlib.util.spec_from_file_location("signatures_anew", module.__spec__.origin)
    assert spec is not None
    assert spec.loader is not None
    fresh = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fresh)
    return fresh


def test_clob_auth_is_verified_for_its_chain_timestamp_and_nonce() -> None:
    signer = Signer(KEY, 137)
    signature = sign_clob_auth_message(signer, 1_790_000_000, 7)

    def found(**changes: object) -> str:
        given = {"timestamp": "1790000000", "nonce": 7, "chain_id": 137, **changes}
        return auth_signer(address=signer.address(), signature=signature, **given)  # type: ignore[arg-type]  # built from a mapping for brevity

    assert found() == signer.address()
    assert found(nonce=8) != signer.address()
    assert found(timestamp="1790000001") != signer.address()
    assert found(chain_id=80002) != signer.address()

"""From the body of POST /order to an order for the engine: every check that needs no book.

Raises `VenueError` with the texts of docs/venue.md 1.6. Amounts to price and size: docs/venue.md
4.3.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from pmcore.model.errors import MalformedInputError
from pmcore.model.market import Protocol, Window
from pmcore.model.units import PRICE_ONE_E4, QTY_GRID_U6, format_price
from pmcore.venue.contracts import Domain, OrderContent, exchange_domain
from pmcore.venue.fields import decode_json, decode_json_as, natural_of
from pmsim.venue.ports import NewOrder, OrderSide, TimeInForce
from pmsimulator.answers import BAD_PAYLOAD, VenueError
from pmsimulator.credentials import Credentials
from pmsimulator.signatures import BadSignatureError, order_digest, order_signer

MAX_BATCH = 15
GTD_LEAD_S = 180
PLAIN_WALLET, _DEPOSIT_WALLET = 0, 3
BAD_MARKET_BUY = (
    "invalid amounts, the market buy orders maker amount supports a max accuracy of 2 decimals, "
    "taker amount a max of 4 decimals"
)
_CENT_U6, _TEN_THOUSANDTH_U6 = 10_000, 100
_RESTING = (TimeInForce.GTC, TimeInForce.GTD)
_V1_FIELDS = {"feeRateBps", "nonce", "taker"}


class OrderBody(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`order` of the wire body (docs/venue.md 4.2)."""

    salt: int
    maker: str
    signer: str
    token_id: str
    maker_amount: str
    taker_amount: str
    side: OrderSide
    expiration: str = "0"
    signature_type: int
    timestamp: str
    metadata: str
    builder: str
    signature: str


class PostOrderBody(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The wire body of POST /order."""

    order: OrderBody
    owner: str
    order_type: TimeInForce
    defer_exec: bool = False
    post_only: bool = False


def decode_order(body: bytes) -> PostOrderBody:
    """The body of POST /order."""
    try:
        return decode_json_as(body, PostOrderBody)
    except MalformedInputError as error:
        raise _payload_error(body) from error


def decode_batch(body: bytes) -> list[PostOrderBody]:
    """The body of POST /orders; one bad entry makes the whole payload invalid."""
    try:
        batch = decode_json_as(body, list[PostOrderBody])
    except MalformedInputError as error:
        raise _payload_error(body) from error
    check_batch_size(len(batch), MAX_BATCH)
    return batch


def check_batch_size(size: int, limit: int) -> None:
    """Refuse an empty or too long batch of orders or cancels."""
    if size == 0:
        raise VenueError(400, BAD_PAYLOAD)
    if size > limit:
        raise VenueError(400, f"Too many orders in payload: {size}, max allowed: {limit}")


def check_order(
    post: PostOrderBody, credentials: Credentials, window: Window, *, chain_id: int, now_s: int
) -> NewOrder:
    """Owner, signer, signature, type, expiration; then the order as the engine takes it."""
    content = _content(post.order)
    if post.owner != credentials.api_key:
        raise VenueError(400, "the order owner has to be the owner of the API KEY")
    order_hash = _check_signature(content, post.order.signature, credentials, window, chain_id)
    if post.post_only and post.order_type not in _RESTING:
        raise VenueError(400, BAD_PAYLOAD)
    expiration_s = _number(post.order.expiration or "0")
    if post.order_type is TimeInForce.GTD:
        if expiration_s < now_s + GTD_LEAD_S:
            raise VenueError(400, "invalid expiration")
    elif expiration_s:
        raise VenueError(400, "invalid expiration")
    price_e4, size_u6 = _price_and_size(post, content, order_hash, window)
    spends = post.order.side is OrderSide.BUY and post.order_type not in _RESTING
    if spends and (content.maker_amount % _CENT_U6 or content.taker_amount % _TEN_THOUSANDTH_U6):
        raise VenueError(400, BAD_MARKET_BUY)
    return NewOrder(
        order_hash=order_hash,
        token_id=post.order.token_id,
        side=post.order.side,
        price_e4=price_e4,
        size_u6=size_u6,
        time_in_force=post.order_type,
        post_only=post.post_only,
        expiration_s=expiration_s,
        amount_u6=content.maker_amount if spends else 0,
    )


def _payload_error(body: bytes) -> VenueError:
    """An order of CLOB V1 is named as such; anything else is a bad payload."""
    try:
        raw = decode_json(body)
    except MalformedInputError:
        return VenueError(400, BAD_PAYLOAD)
    first = raw[0] if isinstance(raw, list) and raw else raw
    order = first.get("order") if isinstance(first, dict) else None
    if isinstance(order, dict) and order.keys() >= _V1_FIELDS and "timestamp" not in order:
        return VenueError(400, "order_version_mismatch")
    return VenueError(400, BAD_PAYLOAD)


def _number(text: str) -> int:
    number = natural_of(text)
    if number is None:
        raise VenueError(400, BAD_PAYLOAD)
    return number


def _content(order: OrderBody) -> OrderContent:
    content = OrderContent(
        salt=order.salt,
        maker=order.maker,
        signer=order.signer,
        token_id=_number(order.token_id),
        maker_amount=_number(order.maker_amount),
        taker_amount=_number(order.taker_amount),
        side=0 if order.side is OrderSide.BUY else 1,
        signature_type=order.signature_type,
        timestamp_ms=_number(order.timestamp),
        metadata=order.metadata,
        builder=order.builder,
    )
    if (
        not 0 <= order.signature_type <= _DEPOSIT_WALLET
        or order.salt < 0
        or not content.maker_amount
        or not content.taker_amount
    ):
        raise VenueError(400, BAD_PAYLOAD)
    return content


def _check_signature(
    content: OrderContent,
    signature: str,
    credentials: Credentials,
    window: Window,
    chain_id: int,
) -> str:
    maker, signer = content.maker.lower(), content.signer.lower()
    owner = credentials.address.lower()
    signs_for_itself = content.signature_type in (PLAIN_WALLET, _DEPOSIT_WALLET)
    if content.signature_type != _DEPOSIT_WALLET and signer != owner:
        raise VenueError(400, "the order signer address has to be the address of the API KEY")
    if signs_for_itself and maker != signer:
        raise VenueError(400, BAD_PAYLOAD)
    domain = exchange_domain(chain_id, window.protocol, neg_risk=window.neg_risk)
    if _signed_by(owner, content, domain, signature):
        return "0x" + order_digest(content, domain).hex()
    other = Protocol.V1 if window.protocol is Protocol.V2 else Protocol.V2
    wrong_version = exchange_domain(chain_id, other, neg_risk=False)
    if _signed_by(owner, content, wrong_version, signature):
        raise VenueError(400, "order_version_mismatch")
    raise VenueError(400, "invalid signature")


def _signed_by(owner: str, content: OrderContent, domain: Domain, signature: str) -> bool:
    try:
        return order_signer(content, domain, signature).lower() == owner
    except BadSignatureError:
        return False


def _price_and_size(
    post: PostOrderBody, content: OrderContent, order_hash: str, window: Window
) -> tuple[int, int]:
    buys = post.order.side is OrderSide.BUY
    quote_u6 = content.maker_amount if buys else content.taker_amount
    size_u6 = content.taker_amount if buys else content.maker_amount
    price_e4, remainder = divmod(quote_u6 * PRICE_ONE_E4, size_u6)
    if remainder and post.order_type in _RESTING:
        price = (Decimal(quote_u6) / Decimal(size_u6)).normalize()
        raise VenueError(
            400,
            f"order {order_hash} is invalid. Price ({price:f}) breaks minimum tick size rule: "
            f"{format_price(window.tick_e4)}",
        )
    if remainder:
        price_e4 = round(Decimal(quote_u6 * PRICE_ONE_E4) / Decimal(size_u6))
    if post.order_type not in _RESTING:
        size_u6 -= size_u6 % QTY_GRID_U6
    return price_e4, size_u6

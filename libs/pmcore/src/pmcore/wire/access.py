"""What each service may do in Redis: its commands, each with the keys on which it may be used.

A stream gives its producers and consumers (`wire.registry`) what they need. The other keys, and
what is done to the streams of others, stand in `_OTHERS`. Whatever is named nowhere is refused.
The lines of Redis' ACL file are made here (docs/decisions/0014-users-of-redis.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from pmcore.wire import keys
from pmcore.wire.registry import STREAMS

SERVICES = ("feed", "strategy", "executor", "userws", "simulator")
OPERATOR = "ops"
"""May do everything: for the operator's `redis-cli`; no service has its password."""

USERS = (*SERVICES, OPERATOR)


class Use(StrEnum):
    """What is done to a key; the value is the commands that it takes."""

    ADD = "xadd"
    CONSUME = (
        "xreadgroup xack xautoclaim xpending xrevrange xinfo|groups "
        "xgroup|create xgroup|setid xgroup|destroy"
    )
    WATCH = "xinfo|groups xpending xrevrange"
    OPEN_GROUPS = "xgroup|create"
    TRIM = "xtrim"
    GET = "get"
    SET = "set"
    SWAP = "get set eval del pexpire"
    GET_FIELDS = "hgetall"
    SET_FIELD = "hset hdel"


Grants = Mapping[Use, Sequence[str]]

_CONNECTION = (
    "ping select multi exec discard role wait client|setname client|id client|list client|kill "
    "cluster|slots"
)
_WITHOUT_KEYS = {"executor": "acl|log"}
"""The executor tells of what Redis refused (`pmexecutor.denials`)."""

_ANY = "*"
_WALLETS = "0x*"
_SERIES = "*-*"


def _key_of(kind: str) -> str:
    return keys.stream_key(_ANY, kind)


def _leases(owned: str) -> tuple[str, ...]:
    return (keys.lease(owned), keys.last_token(keys.lease(owned)))


_TRIMMED = tuple(_key_of(spec.kind) for spec in STREAMS.values() if spec.keep_ms is not None)
_OTHERS: Sequence[tuple[tuple[str, ...], Use, tuple[str, ...]]] = (
    # who, does what, to which keys
    (SERVICES, Use.WATCH, tuple(_key_of(kind) for kind in STREAMS)),
    (SERVICES, Use.SWAP, (keys.halt(_ANY),)),
    (("feed",), Use.OPEN_GROUPS, tuple(_key_of(kind) for kind in ("md", "cmd", "exe", "user"))),
    (("feed",), Use.TRIM, _TRIMMED),
    (("feed",), Use.SET_FIELD, (keys.checkpoints(_ANY),)),
    (("strategy",), Use.GET_FIELDS, (keys.checkpoints(_ANY),)),
    (("strategy",), Use.GET_FIELDS, (keys.results(_ANY), keys.unreadable(_ANY))),
    (("strategy",), Use.SET_FIELD, (keys.results(_ANY), keys.unreadable(_ANY))),
    (("strategy", "executor"), Use.GET, (keys.alive(_ANY, _ANY),)),
    (("strategy",), Use.SWAP, _leases(_SERIES)),
    (("executor",), Use.SWAP, _leases(_WALLETS)),
    (("executor",), Use.GET, (keys.lease(_SERIES),)),
)
"""Beside them each service sets its own `alive` key."""


def grants_of(service: str) -> Grants:
    """The keys, as patterns, by what the service may do to them."""
    found: dict[Use, list[str]] = {Use.SET: [keys.alive(_ANY, service)]}
    for spec in STREAMS.values():
        if _is_named(service, spec.producers):
            found.setdefault(Use.ADD, []).append(_key_of(spec.kind))
        if _is_named(service, spec.consumers):
            found.setdefault(Use.CONSUME, []).append(_key_of(spec.kind))
    for who, use, patterns in _OTHERS:
        if service in who:
            found.setdefault(use, []).extend(patterns)
    return found


def acl_line(user: str, secret: str, *, selectors: bool = True) -> str:
    """The user's line of the ACL file. `secret` is `>password` or `#` and its SHA-256.

    Redis 6.2 has no selectors: there, one user may use all of its commands on all of its keys.
    """
    return f"user {user} on {secret} {' '.join(_rules(user, selectors=selectors))}"


DEFAULT_OFF = "user default off ~* &* +@all"
"""The line that ends the user whom a client without a name would be: it cannot log in.

It keeps its rights because Redis reads its own append-only file as this user. Without them a
restart drops every transaction and script in it, so nearly all that we write.
"""


def _is_named(service: str, texts: Sequence[str]) -> bool:
    """The first word of each text is a service, `all` or `each`."""
    return any(text.split()[0] in (service, "all", "each") for text in texts)


def _rules(user: str, *, selectors: bool) -> list[str]:
    if user == OPERATOR:
        return ["~*", "&*", "+@all"]
    grants = grants_of(user)
    connection = _commands(f"{_CONNECTION} {_WITHOUT_KEYS.get(user, '')}")
    uses = [(_commands(use), [f"~{pattern}" for pattern in own]) for use, own in grants.items()]
    if selectors:
        return [*connection, *(f"({' '.join([*does, *on])})" for does, on in uses)]
    does_all = [word for does, _ in uses for word in does]
    on_all = [word for _, on in uses for word in on]
    return [*connection, *dict.fromkeys(does_all), *dict.fromkeys(on_all)]


def _commands(words: str) -> list[str]:
    return [f"+{word}" for word in words.split()]

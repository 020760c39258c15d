"""All Redis keys are made here. Braces are hash tags, so Redis Cluster works (docs/streams.md)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pmcore.model.check import invariant
from pmcore.model.errors import InvariantError

_VERSION = "pm:v1"
_KEY = re.compile(r"^pm:v1:\{(?P<tag>[^{}]+)\}:(?P<kind>.+)$")


def stream_key(tag: str, kind: str) -> str:
    """The key of a kind of the registry, for a series or an account."""
    return f"{_VERSION}:{{{tag}}}:{kind}"


def md(series: str) -> str:
    """Market data of a series."""
    return stream_key(series, "md")


def rot(series: str) -> str:
    """Rotation: windows announced and resolved."""
    return stream_key(series, "rot")


def cmd(series: str) -> str:
    """Commands to the executor."""
    return stream_key(series, "cmd")


def exe(series: str) -> str:
    """What became of commands."""
    return stream_key(series, "exe")


def dlq(series: str) -> str:
    """Entries that could not be handled; for a person."""
    return stream_key(series, "dlq")


def checkpoints(series: str) -> str:
    """Hash of slug -> book checkpoint, for late readers."""
    return stream_key(series, "md:snap")


def user(account: str) -> str:
    """Own orders and fills of an account."""
    return stream_key(account, "user")


def ctl(account: str) -> str:
    """Halt and resume."""
    return stream_key(account, "ctl")


def halt(account: str) -> str:
    """The persisted halt: present while halted."""
    return stream_key(account, "halt")


def lease(owned: str) -> str:
    """Who alone may write: a wallet's executor, a series' strategy; expires if not renewed."""
    return stream_key(owned, "lease")


def last_token(lease_key: str) -> str:
    """The fencing token of the newest holder of a lease; never expires."""
    return f"{lease_key}:token"


def results(account: str) -> str:
    """Hash of slug -> result of a settled window, for the daily loss limit."""
    return stream_key(account, "results")


def unreadable(account: str) -> str:
    """Hash of unreadable entries, each `open` until an operator resumes."""
    return f"{_VERSION}:{{{account}}}:poison"


def alive(account: str, service: str) -> str:
    """A service's health, with an expiry; read before each heartbeat to the venue."""
    return stream_key(account, f"alive:{service}")


def window_group(slug: str, service: str = "") -> str:
    """The consumer group of a window: its slug; the executor's has `:executor` behind it."""
    return f"{slug}:{service}" if service else slug


def ctl_group(service: str, instance: str) -> str:
    """The group with which one deployment of a service reads `ctl`: each hears every entry."""
    return f"{instance}:{service}"


def hash_tag(key: str) -> str:
    """The part that Redis Cluster hashes: the series or the account."""
    return _part(key, "tag")


def stream_kind(key: str) -> str:
    """What stands behind the hash tag: `md`, `cmd`, `user`, ..."""
    return _part(key, "kind")


def one_hash_tag(keys: Sequence[str]) -> str:
    """The hash tag that all keys share; keys of several tags are a mistake of ours."""
    tags = {hash_tag(key) for key in keys}
    invariant(len(tags) == 1, f"keys of one hash tag expected, got {list(keys)}")
    return tags.pop()


def _part(key: str, name: str) -> str:
    match = _KEY.match(key)
    if match is None:
        raise InvariantError(f"not a key of wire.keys: {key!r}")
    return match[name]

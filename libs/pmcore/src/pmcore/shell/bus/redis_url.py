"""Which servers a PM_REDIS_URL means: one Redis, nodes of a Cluster, or Sentinels.

- `redis://host:port/0`: one server, or a node of a Cluster
- `redis://host:port,host:port/0`: nodes of one Cluster, some of which may be down
- `redis+sentinel://host:port,host:port/NAME/0`: Sentinels, and the name by which they know the
  primary; `?sentinel_password=` is theirs, user and password are of the primary
- `unix:///path`: one server on this machine

`rediss` in the place of `redis` is TLS, to the Sentinels too.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import msgspec

SCHEMES = ("redis", "rediss", "redis+sentinel", "rediss+sentinel", "unix")
SENTINEL_PASSWORD = "sentinel_password"  # noqa: S105 - the name of an option
_SENTINEL = "+sentinel"
_REDIS_PORT = 6_379
_SENTINEL_PORT = 26_379

Host = tuple[str, int]


class RedisAddress(msgspec.Struct, frozen=True):
    """What a URL says. The URLs in it are for redis-py; they hold the passwords.

    `server_url` has the login and the options of the servers; `hosts` are all that the URL names,
    () for a socket file; `primary` is "" without Sentinels, `sentinel_urls` then ().
    """

    server_url: str
    hosts: tuple[Host, ...] = ()
    primary: str = ""
    sentinel_urls: tuple[str, ...] = ()


def uses_sentinel(url: str) -> bool:
    """Whether the URL names Sentinels."""
    return urlsplit(url).scheme.endswith(_SENTINEL)


def uses_tls(url: str) -> bool:
    """Whether its connections are encrypted."""
    return urlsplit(url).scheme.removesuffix(_SENTINEL) == "rediss"


def with_database(url: str, database: int) -> str:
    """The same servers, another database."""
    parts = urlsplit(url)
    name = f"/{parts.path.strip('/').partition('/')[0]}" if uses_sentinel(url) else ""
    return urlunsplit(parts._replace(path=f"{name}/{database}"))


def read_redis_url(url: str) -> RedisAddress:
    """Take a URL apart; raise `ValueError` saying what is wrong, without its passwords."""
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES or not (parts.netloc or parts.scheme == "unix"):
        raise ValueError(f"expected a URL that begins with one of {', '.join(SCHEMES)}, and ://")
    if parts.scheme == "unix":
        return RedisAddress(url)
    login, at, hosts_text = parts.netloc.rpartition("@")
    sentinel = uses_sentinel(url)
    default = _SENTINEL_PORT if sentinel else _REDIS_PORT
    hosts = tuple(_host(text, default) for text in hosts_text.split(","))
    first = parts._replace(netloc=f"{login}{at}{_netloc(hosts[0])}")
    if not sentinel:
        return RedisAddress(urlunsplit(first) if len(hosts) > 1 else url, hosts)
    name, _, database = parts.path.strip("/").partition("/")
    if not name:
        raise ValueError("expected the primary's name behind the Sentinels: …host:port/NAME")
    options = [(key, value) for key, value in parse_qsl(parts.query) if key != SENTINEL_PASSWORD]
    password = dict(parse_qsl(parts.query)).get(SENTINEL_PASSWORD, "")
    shared = first._replace(scheme=parts.scheme.removesuffix(_SENTINEL), query=urlencode(options))
    own_login = f":{quote(password, safe='')}@" if password else ""
    return RedisAddress(
        urlunsplit(shared._replace(path=f"/{database or 0}")),
        hosts,
        name,
        tuple(
            urlunsplit(shared._replace(netloc=f"{own_login}{_netloc(host)}", path=""))
            for host in hosts
        ),
    )


def _host(text: str, default_port: int) -> Host:
    try:
        parts = urlsplit(f"//{text}")
        name, port = parts.hostname, parts.port
    except ValueError:
        name, port = None, None
    if not name or (port is None and not text.lower().endswith((name, f"[{name}]"))):
        raise ValueError("expected host:port, or several with commas between them")
    return name, port or default_port


def _netloc(host: Host) -> str:
    name, port = host
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"

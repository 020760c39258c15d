"""Whatever a client asks of any HTTP route, the answer is a refusal or a result, never a 500.

Routes are taken from the applications themselves, so a new route is under test by itself. The
simulator's are asked without credentials and with correctly signed requests; the control
application, which every service mounts, without its token and with it.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import msgspec
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pmcore.model.market import Outcome, parse_series
from pmcore.model.units import NS_PER_S
from pmcore.shell.clock import Clock
from pmcore.shell.service.control import create_control_app
from pmcore.shell.service.kill_switch import KillSwitch
from pmcore.shell.service.logs import configure_logs
from pmcore.shell.service.metrics import ServiceMetrics
from pmcore.venue.l2_auth import ApiCredentials, l2_headers
from pmsim.bus.memory_bus import MemoryBus, MemoryStore
from pmsim.faults.faulty_venue import FaultyVenue
from pmsim.run.synthetic import SyntheticParams, SyntheticVenue
from pmsimulator.app import create_app
from pmsimulator.credentials import credentials_for
from pmsimulator.rate_limits import Tier
from pmsimulator.world import World

SERIES = parse_series("btc-updown-5m")
START_NS = (1_790_000_100 + 10) * NS_PER_S
ACCOUNT = credentials_for("0x" + "5a" * 20, 0)
SIGNER = ApiCredentials(ACCOUNT.address, ACCOUNT.api_key, ACCOUNT.secret, ACCOUNT.passphrase)
TOKEN = "right"
_SKIPPED = {("POST", "/sim/faults")}
"""Faults make refusals and lost answers on purpose; their decoder has its own test below."""
_REVOKES = ("DELETE", "/auth/api-key")
"""After it every signed request is refused."""

VENUE = SyntheticVenue(SyntheticParams(series=(SERIES,), seed=1, start_ns=START_NS))
WINDOW = VENUE.listings()[0].window
KNOWN = [
    WINDOW.slug,
    WINDOW.condition_id,
    *(WINDOW.token_id(outcome) for outcome in Outcome),
    ACCOUNT.api_key,
    ACCOUNT.address,
]

MORE = ("tick_size", "channel", "reason")
QUERY_NAMES = [
    "token_id",
    "side",
    "slug",
    "limit",
    "offset",
    "next_cursor",
    "after",
    "before",
    "id",
    "market",
    "asset_id",
    "interval",
    "startTs",
    "endTs",
    "fidelity",
    "asset_type",
    "order",
    "signature_type",
    "ids",
    "owner",
    "closed",
    "active",
    "condition_ids",
    "order_id",
    "clob_token_ids",
    "maker_address",
    "date",
    "end_date_min",
    "end_date_max",
    "ascending",
    "tag_slug",
    "series_id",
    "series_slug",
    "after_cursor",
    "user",
    "q",
    "type",
]
HEADER_NAMES = [
    "POLY_ADDRESS",
    "POLY_SIGNATURE",
    "POLY_TIMESTAMP",
    "POLY_API_KEY",
    "POLY_PASSPHRASE",
    "POLY_NONCE",
    "Authorization",
    "Content-Type",
]
ODD_TEXTS = st.one_of(
    st.sampled_from(
        [
            *KNOWN,
            "",
            "0",
            "-1",
            "1e400",
            "NaN",
            "\N{SUPERSCRIPT TWO}",
            "\N{ARABIC-INDIC DIGIT THREE}",
            "9" * 5_000,
            "-" + "9" * 5_000,
            "0x",
            "0x" + "f" * 64,
            "MA==",
            "LTE=",
            "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5",
            "LTk5",
            "btc-updown-5m-" + "9" * 30,
            "btc-updown-5m-\N{SUPERSCRIPT TWO}",
            "btc-updown-5m-1",
            "true",
            "null",
            "BUY",
            "2026-13-45T99:99:99Z",
            "%00",
            "\0",
            "../../etc/passwd",
        ]
    ),
    st.integers().map(str),
    st.text(max_size=30),
)
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | ODD_TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=8,
)
ORDER_FIELDS = {
    "salt": st.integers() | JSON_VALUES,
    "maker": st.just(ACCOUNT.address) | ODD_TEXTS,
    "signer": st.just(ACCOUNT.address) | ODD_TEXTS,
    "tokenId": st.just(WINDOW.up_token_id) | ODD_TEXTS,
    "makerAmount": st.just("5000000") | ODD_TEXTS,
    "takerAmount": st.just("5000000") | ODD_TEXTS,
    "side": st.sampled_from(["BUY", "SELL", "HOLD"]),
    "expiration": st.just("0") | ODD_TEXTS,
    "signatureType": st.integers(-1, 4) | st.integers(),
    "timestamp": st.just("1790000110000") | ODD_TEXTS,
    "metadata": st.just("0x" + "00" * 32) | ODD_TEXTS,
    "builder": st.just("0x" + "00" * 32) | ODD_TEXTS,
    "signature": st.just("0x" + "11" * 65) | ODD_TEXTS,
}
POST_ORDERS = st.fixed_dictionaries(
    {
        "order": st.fixed_dictionaries(ORDER_FIELDS),
        "owner": st.just(ACCOUNT.api_key) | ODD_TEXTS,
        "orderType": st.sampled_from(["GTC", "GTD", "FOK", "FAK", "ANY"]),
    },
    optional={"postOnly": st.booleans(), "deferExec": st.booleans()},
)
SMALL_BODIES = st.dictionaries(
    st.sampled_from(
        [
            "orderID",
            "market",
            "asset_id",
            "heartbeat_id",
            "token_id",
            "side",
            "owner",
            "size",
            *MORE,
        ]
    ),
    ODD_TEXTS | JSON_VALUES,
    max_size=4,
)
BODIES = st.one_of(
    st.just(b""),
    st.binary(max_size=100),
    (JSON_VALUES | SMALL_BODIES | st.lists(SMALL_BODIES, max_size=3)).map(msgspec.json.encode),
    (POST_ORDERS | st.lists(POST_ORDERS, max_size=3)).map(msgspec.json.encode),
    st.sampled_from([b"[" * 50_000, b'{"a":' * 20_000, b'"\\ud800"', b"\xff", b"9" * 5_000]),
    st.sampled_from([json.dumps({"reason": "x" * 1_000}).encode(), b'{"reason":"\\ud800"}']),
)
QUERIES = st.dictionaries(
    st.sampled_from(QUERY_NAMES),
    ODD_TEXTS,
    max_size=5,
)
HEADERS = st.dictionaries(
    st.sampled_from(HEADER_NAMES),
    ODD_TEXTS.map(lambda text: text.encode("utf-8", "replace").replace(b"\0", b"").strip()[:6_000])
    .map(lambda raw: raw.replace(b"\r", b"").replace(b"\n", b""))
    .map(lambda raw: raw.decode("latin-1")),
    max_size=6,
)


class Client:
    """One application, asked in turn; an exception that leaves the application is the test's."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self._runner = asyncio.Runner()
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=True)
        self._http = httpx.AsyncClient(transport=transport, base_url="http://test")

    def build(self, method: str, path: str) -> httpx.Request:
        """A request that is not sent."""
        return self._http.build_request(method, path)

    def ask(
        self, method: str, url: str, content: bytes = b"", headers: dict[bytes, bytes] | None = None
    ) -> httpx.Response:
        """Send a request."""
        return self._runner.run(
            self._http.request(method, url, content=content, headers=headers or {})
        )


EXAMPLES = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def simulator() -> Client:
    world = World(
        FaultyVenue(VENUE, seed=1),
        Clock.starting_at(START_NS, 1.0),
        series=(SERIES,),
        chain_id=137,
        outbox_frames=1_000,
    )
    return Client(create_app(world, Tier.OFF))


class _Service:
    async def on_halt(self, reason: str) -> None:
        """Nothing to stop."""

    async def on_resume(self) -> None:
        """Nothing to start."""


@pytest.fixture
def control(tmp_path: Path) -> Client:
    kill_switch = KillSwitch(
        _Service(),
        MemoryBus(MemoryStore(lambda: 1), source="feed", run_id="r"),
        account="acct",
        data_dir=tmp_path,
        now_ns=lambda: 1,
        log=configure_logs("feed", "error", io.StringIO()),
    )
    app = create_control_app(
        token=TOKEN,
        metrics=ServiceMetrics("feed", version="1", mode="sim"),
        kill_switch=kill_switch,
        readiness=list,
        state=lambda: {"frames": 1},
    )
    return Client(app)


@pytest.fixture(autouse=True)
def no_traceback(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.ERROR)
    yield
    assert [record.getMessage() for record in caplog.records] == []


def routes_of(app: Any) -> list[tuple[str, str]]:
    while not isinstance(app, FastAPI):
        app = app._app
    paths: dict[str, dict[str, object]] = app.openapi()["paths"]
    found = [(method.upper(), path) for path, methods in paths.items() for method in methods]
    return sorted(set(found) - _SKIPPED)


def ask(
    client: Client, data: st.DataObject, route: tuple[str, str], *, trusted: dict[str, str]
) -> int:
    """Ask one route something; the status of the answer. `trusted` headers win over drawn ones."""
    method, template = route
    path = template
    while "{" in path:
        begin, end = path.index("{"), path.index("}") + 1
        path = path[:begin] + quote(data.draw(ODD_TEXTS, "path"), safe="") + path[end:]
    query = urlencode(data.draw(QUERIES, "query"))
    body = data.draw(BODIES, "body")
    headers = {**data.draw(HEADERS, "headers"), **trusted}
    if trusted == SIGNED:
        raw_path = client.build(method, path).url.path
        headers.update(l2_headers(SIGNER, START_NS // NS_PER_S, method, raw_path, body))
    url = f"{path}?{query}" if query else path
    raw = {name.encode(): value.encode("latin-1", "replace") for name, value in headers.items()}
    answer = client.ask(method, url, body, raw)
    if template.startswith("/state"):
        assert answer.headers["content-type"] == "application/json"
    return answer.status_code


SIGNED = {"signed": "yes"}


@pytest.mark.parametrize("trusted", [{}, SIGNED], ids=["anonymous", "signed"])
@EXAMPLES
@given(data=st.data())
def test_no_request_breaks_a_route_of_the_simulator(
    simulator: Client, trusted: dict[str, str], data: st.DataObject
) -> None:
    routes = [route for route in routes_of(simulator.app) if not trusted or route != _REVOKES]
    for route in data.draw(st.lists(st.sampled_from(routes), min_size=1)):
        assert ask(simulator, data, route, trusted=trusted) < 500


@pytest.mark.parametrize("trusted", [{}, {"Authorization": f"Bearer {TOKEN}"}])
@EXAMPLES
@given(data=st.data())
def test_no_request_breaks_a_route_of_the_control_application(
    control: Client, trusted: dict[str, str], data: st.DataObject
) -> None:
    for route in routes_of(control.app):
        status = ask(control, data, route, trusted=trusted)
        assert status < 500
        if not trusted and route[1] in ("/kill", "/resume", "/state"):
            assert status == 401


TOO_DEEP = b"[" * 50_000
NOT_UTF_8 = b'{"reason":"\xff"}'


@EXAMPLES
@given(body=BODIES)
@example(body=TOO_DEEP)
@example(body=NOT_UTF_8)
def test_no_body_breaks_a_kill_or_a_resume(control: Client, body: bytes) -> None:
    token = {b"Authorization": f"Bearer {TOKEN}".encode()}
    for path in ("/kill", "/resume"):
        assert control.ask("POST", path, body, token).status_code < 500


@EXAMPLES
@given(body=BODIES)
@example(body=TOO_DEEP)
@example(body=NOT_UTF_8)
def test_no_body_breaks_the_faults_of_the_simulator(simulator: Client, body: bytes) -> None:
    assert simulator.ask("POST", "/sim/faults", body).status_code < 500
    assert simulator.ask("DELETE", "/sim/faults").status_code == 200

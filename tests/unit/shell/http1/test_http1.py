"""HTTP/1.1 on real connections: answers in every form, broken ones, and what was sent or not."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pmcore.model.errors import Cause, Sent
from pmcore.shell import http1
from pmcore.shell.causes import cause_of
from pmcore.shell.http1 import Http1Error, Http1Pool, Http1Request, refuse_proxy
from pmcore.shell.service.errors import StartupError

Serve = Callable[["Peer"], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Peer:
    """The server's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def take(self) -> bytes:
        """One request, whole."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        return head + await self.reader.readexactly(int(length or 0))

    async def say(self, *parts: bytes) -> None:
        """Each part in a segment of its own."""
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()
            await asyncio.sleep(0)


class Server:
    """Serves each connection as told and counts them."""

    def __init__(self) -> None:
        self.url = ""
        self.connections = 0
        self.requests: list[bytes] = []
        self.over = asyncio.Event()


@asynccontextmanager
async def serving(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        peer = Peer(reader, writer)
        original = peer.take

        async def take() -> bytes:
            server.requests.append(await original())
            return server.requests[-1]

        peer.take = take  # type: ignore[method-assign]
        try:
            await serve(peer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(one, "127.0.0.1", 0, ssl=tls)
    server.url = f"http{'s' if tls else ''}://localhost:{listening.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        server.over.set()
        listening.close()


async def ok_always(peer: Peer) -> None:
    while True:
        await peer.take()
        await peer.say(OK)


def says(*parts: bytes) -> Serve:
    """Take one request, give these bytes, hang up."""

    async def serve(peer: Peer) -> None:
        await peer.take()
        await peer.say(*parts)

    return serve


def post(body: bytes = b"{}") -> Http1Request:
    return Http1Request("POST", "/order?a=b", {"X-One": "1"}, body)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - nobody tells it
            await asyncio.sleep(0)


async def failure(pool: Http1Pool, request: Http1Request) -> Http1Error:
    with pytest.raises(Http1Error) as raised:
        await pool.send(request, 30.0)
    return raised.value


@asynccontextmanager
async def pool_to(
    url: str, *, most_connections: int = 4, keep_alive_s: float = 60.0
) -> AsyncIterator[Http1Pool]:
    pool = Http1Pool(
        url, {"Accept": "a/b"}, most_connections=most_connections, keep_alive_s=keep_alive_s
    )
    yield pool
    await pool.close()


async def test_a_request_is_complete_and_its_connection_is_kept() -> None:
    async with serving(ok_always) as server, pool_to(server.url + "/v1/") as pool:
        for _ in range(3):
            request = post()
            answer = await pool.send(request, 30.0)
            assert (answer.status, answer.content) == (200, b"ok")
            assert request.sent is Sent.UNKNOWN
        host = server.url.partition("://")[2].encode()
        assert server.requests[0] == (
            b"POST /v1/order?a=b HTTP/1.1\r\nHost: " + host + b"\r\nAccept: a/b\r\n"
            b"X-One: 1\r\nContent-Length: 2\r\n\r\n{}"
        )
        assert server.connections == 1


@pytest.mark.parametrize(
    ("parts", "status", "content"),
    [
        ((OK[:20], OK[20:40], OK[40:]), 200, b"ok"),
        (
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n",
                b"1;x=y\r\nk\r\n0\r\n",
                b"Trailer: 1\r\n\r\n",
            ),
            200,
            b"ok",
        ),
        ((b"HTTP/1.0 200 OK\r\n\r\no", b"k"), 200, b"ok"),
        ((b"HTTP/1.1 204 Nothing\r\n\r\n",), 204, b""),
        ((b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", OK), 200, b"ok"),
        ((b"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n",), 302, b""),
        ((b"HTTP/1.1 503 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno",), 503, b"no"),
    ],
)
async def test_every_form_of_an_answer_is_read(
    parts: tuple[bytes, ...], status: int, content: bytes
) -> None:
    async with serving(says(*parts)) as server, pool_to(server.url) as pool:
        answer = await pool.send(post(), 30.0)
        assert (answer.status, answer.content) == (status, content)
        assert "link" not in answer.headers


@pytest.mark.parametrize(
    "parts",
    [
        (),
        (b"HTTP/1.1 200 O",),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok",),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n",),
        (b"HTTP/1.1 100 Continue\r\n\r\n",),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",),
        (b"SSH-2.0-OpenSSH_9.2\r\n",),
    ],
)
async def test_half_an_answer_is_none_and_the_request_may_have_arrived(
    parts: tuple[bytes, ...],
) -> None:
    async with serving(says(*parts)) as server, pool_to(server.url) as pool:
        request = post()
        error = await failure(pool, request)
        assert (request.sent, cause_of(error)) == (Sent.UNKNOWN, Cause.CONNECTION_LOST)
        assert (len(server.requests), server.connections) == (1, 1)


async def test_a_post_whose_kept_connection_breaks_is_not_repeated() -> None:
    async def ok_once_then_hang_up(peer: Peer) -> None:
        await peer.take()
        await peer.say(OK)
        await peer.take()

    async with serving(ok_once_then_hang_up) as server, pool_to(server.url) as pool:
        await pool.send(post(b"1"), 30.0)
        request = post(b"2")
        await failure(pool, request)
        assert request.sent is Sent.UNKNOWN
        assert [one[-1:] for one in server.requests] == [b"1", b"2"]


async def test_a_kept_connection_that_the_server_closed_is_not_used() -> None:
    async with serving(says(OK)) as server, pool_to(server.url) as pool:
        for _ in range(3):
            assert (await pool.send(post(), 30.0)).status == 200
            idle = vars(pool)["_idle"]
            await until(idle[-1].has_ended)
        assert server.connections == 3


async def test_a_connection_whose_server_will_close_it_is_not_used_again() -> None:
    async def announce_only(peer: Peer) -> None:
        while await peer.take():
            await peer.say(OK.replace(b"Content", b"Connection: close\r\nContent"))

    async with serving(announce_only) as server, pool_to(server.url) as pool:
        for _ in range(3):
            assert (await pool.send(post(), 30.0)).content == b"ok"
        assert server.connections == 3


async def test_a_connection_that_was_idle_for_too_long_is_not_used() -> None:
    async with serving(ok_always) as server, pool_to(server.url, keep_alive_s=-1.0) as pool:
        for _ in range(3):
            await pool.send(post(), 30.0)
        assert server.connections == 3


async def test_an_end_that_the_loop_has_not_read_yet_is_seen() -> None:
    """The loop has no turn between the server's end of the connection and the next request."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer_one() -> socket.socket:
            end, _ = listener.accept()
            assert end.recv(10_000)
            end.sendall(OK)
            return end

        async with pool_to(f"http://127.0.0.1:{listener.getsockname()[1]}") as pool:
            for _ in range(3):
                sending = asyncio.create_task(pool.send(post(), 30.0))
                end = await asyncio.to_thread(answer_one)
                assert (await sending).status == 200
                end.close()


async def test_bytes_that_nobody_asked_for_reach_no_later_request() -> None:
    late = b"HTTP/1.1 500 Late\r\nContent-Length: 4\r\n\r\nlate"

    async def serve(peer: Peer) -> None:
        await peer.take()
        await peer.say(OK + late)
        await peer.take()
        await peer.say(OK)

    async with serving(serve) as server, pool_to(server.url) as pool:
        for _ in range(3):
            assert (await pool.send(post(), 30.0)).content == b"ok"
        assert server.connections == 3


async def test_a_request_without_an_answer_takes_its_connection_with_it() -> None:
    async def slow_then_ok(peer: Peer) -> None:
        if b"slow" in await peer.take():
            await server.over.wait()
        await peer.say(OK)

    async with serving(slow_then_ok) as server, pool_to(server.url) as pool:
        request = post(b"slow")
        with pytest.raises(TimeoutError):
            await pool.send(request, 0.25)
        assert request.sent is Sent.UNKNOWN
        assert (await pool.send(post(b"fast"), 30.0)).content == b"ok"
        assert server.connections == 2


async def test_a_request_that_waits_for_a_place_was_not_sent() -> None:
    async def silent(peer: Peer) -> None:
        await peer.take()
        await server.over.wait()

    async with serving(silent) as server, pool_to(server.url, most_connections=2) as pool:
        busy = [asyncio.create_task(pool.send(post(), 30.0)) for _ in range(2)]
        await until(lambda: len(server.requests) == 2)
        request = post()
        with pytest.raises(TimeoutError):
            await pool.send(request, 0.25)
        assert request.sent is Sent.NO
        for task in busy:
            task.cancel()
        await asyncio.wait(busy)
        assert (len(server.requests), server.connections) == (2, 2)


async def test_places_are_free_again_after_every_end() -> None:
    async with serving(says()) as server, pool_to(server.url, most_connections=1) as pool:
        for _ in range(5):
            await failure(pool, post())
        assert server.connections == 5


async def test_requests_at_the_same_time_have_connections_of_their_own() -> None:
    async def echo(peer: Peer) -> None:
        while body := (await peer.take())[-1:]:
            await peer.say(OK[:-2] + body * 2)

    async with serving(echo) as server, pool_to(server.url, most_connections=3) as pool:
        for _ in range(3):
            sent = [pool.send(post(b"%d" % number), 30.0) for number in range(9)]
            answers = await asyncio.gather(*sent)
            assert [one.content for one in answers] == [b"%d" % n * 2 for n in range(9)]
        assert server.connections == 3


async def test_a_connection_that_was_refused_carried_nothing() -> None:
    async with serving(ok_always) as gone:
        pass
    async with pool_to(gone.url) as pool:
        request = post()
        error = await failure(pool, request)
        assert (request.sent, cause_of(error)) == (Sent.NO, Cause.CONNECTION_REFUSED)


@pytest.mark.parametrize("text", ["a\r\nb: c", "a\nb", "\x00", "é"])
async def test_a_character_that_ends_a_line_is_not_sent(text: str) -> None:
    async with serving(ok_always) as server, pool_to(server.url) as pool:
        for request in (
            Http1Request("GET", f"/{text}", {}),
            Http1Request("GET", "/ HTTP/1.1 /", {}),
            Http1Request("GET", "/", {"X": text}),
        ):
            assert "may not be sent" in str(await failure(pool, request))
            assert request.sent is Sent.NO
        assert server.connections == 0


async def test_an_answer_has_a_largest_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1, "MAX_ANSWER_BYTES", 1000)
    endless = b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300
    async with serving(says(endless)) as server, pool_to(server.url) as pool:
        request = post()
        assert "more than 1000 bytes" in str(await failure(pool, request))
        assert request.sent is Sent.UNKNOWN


async def test_who_waits_when_the_pool_closes_has_no_answer() -> None:
    taken = asyncio.Event()

    async def silent(peer: Peer) -> None:
        await peer.take()
        taken.set()
        await server.over.wait()

    async with serving(silent) as server, pool_to(server.url) as pool:
        request = post()
        waiting = asyncio.create_task(pool.send(request, 30.0))
        await taken.wait()
        await pool.close()
        with pytest.raises(Http1Error):
            await waiting
        assert request.sent is Sent.UNKNOWN


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of `localhost`, signed by itself, with its key in one file."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt"]
    command += ["ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost", "-addext"]
    command += ["subjectAltName=DNS:localhost", "-keyout", str(path), "-out", f"{path}.crt"]
    subprocess.run(command, check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


async def test_tls_is_spoken_on_kept_connections(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", f"{certificate}.crt")
    async with (
        serving(ok_always, server_tls(certificate)) as server,
        pool_to(server.url) as pool,
    ):
        for _ in range(3):
            assert (await pool.send(post(b"x" * 100_000), 30.0)).content == b"ok"
        assert server.connections == 1


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_a_certificate_that_proves_nothing_is_refused(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    """Nobody vouches for it, or it is of another name."""
    if host != "localhost":
        monkeypatch.setenv("SSL_CERT_FILE", f"{certificate}.crt")
    async with serving(ok_always, server_tls(certificate)) as server:
        async with pool_to(server.url.replace("localhost", host)) as pool:
            request = post()
            error = await failure(pool, request)
            assert (request.sent, cause_of(error)) == (Sent.NO, Cause.TLS)
        assert server.requests == []


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_proxy_is_refused_except_to_this_machine(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    for name in ("NO_PROXY", "no_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    refuse_proxy("https://venue.invalid")
    monkeypatch.setenv(variable, "http://127.0.0.1:3128")
    with pytest.raises(StartupError, match=r"name venue\.invalid in NO_PROXY"):
        Http1Pool("https://venue.invalid", {})
    refuse_proxy("https://127.0.0.1:8200")
    monkeypatch.setenv("NO_PROXY", "venue.invalid")
    refuse_proxy("https://venue.invalid")

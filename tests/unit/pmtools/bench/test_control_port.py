"""When a kill is done on the wire, and the bare connection that sends it."""

from __future__ import annotations

import socket
import threading

import pytest

from pmtools.bench.bare_http import BareHttp
from pmtools.bench.control_port import covered_ns
from pmtools.bench.wire_tap import TapRecord


def test_a_cancel_of_all_ends_a_kill() -> None:
    seen = TapRecord(posts_ns={"0xa": 10, "0xb": 11}, cancel_alls_ns=[5, 130, 140])
    assert covered_ns(seen, 100) == 130


def test_so_does_the_last_cancel_of_those_that_rested() -> None:
    seen = TapRecord(
        posts_ns={"0xgone": 1, "0xa": 10, "0xb": 11, "0xlater": 150},
        deletes_ns={"0xgone": 5, "0xa": 110, "0xb": 120, "0xlater": 900},
        cancel_alls_ns=[130],
    )
    assert covered_ns(seen, 100) == 120


def test_an_order_that_nobody_cancelled_is_no_end() -> None:
    seen = TapRecord(posts_ns={"0xa": 10, "0xb": 11}, deletes_ns={"0xa": 110})
    with pytest.raises(ValueError, match="empty"):
        covered_ns(seen, 100)


def test_an_answer_in_pieces_is_read_whole() -> None:
    pieces = [b"HTTP/1.1 200 OK\r\nContent-", b"Length: 5\r\n\r\nhe", b"llo"]
    with socket.create_server(("127.0.0.1", 0)) as server:
        asked: list[bytes] = []

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                asked.append(connection.recv(65_536))
                for piece in pieces:
                    connection.sendall(piece)

        thread = threading.Thread(target=answer)
        thread.start()
        with BareHttp(f"http://127.0.0.1:{server.getsockname()[1]}") as bare:
            head, body = bare.exchange(bare.request("POST", "/kill", b"{}", token="t"))
        thread.join()
    assert head.startswith(b"HTTP/1.1 200")
    assert body == b"hello"
    assert b"Authorization: Bearer t\r\n" in asked[0]
    assert asked[0].endswith(b"Content-Length: 2\r\nAuthorization: Bearer t\r\n\r\n{}")


def test_an_end_inside_an_answer_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        bare = BareHttp(f"http://127.0.0.1:{server.getsockname()[1]}")
        server.accept()[0].close()
        with bare, pytest.raises(OSError):  # noqa: PT011 - of the operating system
            bare.exchange(bare.request("GET", "/healthz"))

"""How long the venue keeps a connection on which nothing happens."""

from __future__ import annotations

import socket

from pmcore.shell.http1 import KEEP_ALIVE_S
from pmsimulator.server import VenueServer


async def no_app(*_: object) -> None:
    """Answers nothing."""


def test_an_idle_connection_outlives_that_of_its_client() -> None:
    """Else a heartbeat each 5 s meets a connection that is being closed, and fails."""
    with socket.socket() as listener:
        server = VenueServer(no_app, listener)
        assert server.keep_alive_s > KEEP_ALIVE_S

"""Ports for processes that are about to start."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from pmtools import ports
from pmtools.errors import CommandError
from pmtools.ports import LOOPBACK, free_ports

_OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")


def test_they_differ_and_can_be_taken() -> None:
    found = free_ports(8)
    assert len(set(found)) == 8
    for port in found:
        with socket.create_server((LOOPBACK, port)):
            pass


def test_what_is_taken_is_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = free_ports(2)
    monkeypatch.setattr(ports, "_RANGE", [first, second])
    with socket.create_server((LOOPBACK, first)):
        assert free_ports(1) == [second]
        with pytest.raises(CommandError, match="fewer than 2 ports"):
            free_ports(2)


def test_no_outgoing_connection_is_given_one() -> None:
    if not _OUTGOING.exists():
        pytest.skip("only Linux says which ports it gives to outgoing connections")
    lowest = int(_OUTGOING.read_text().split()[0])
    found = free_ports(500)
    assert max(found) + 10_000 < lowest, "nor the second port of a node of a Redis Cluster"
    assert min(found) + 10_000 > max(found), "which nobody else is given"

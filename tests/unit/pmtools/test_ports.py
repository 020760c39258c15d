"""Ports for processes that are about to start."""

from __future__ import annotations

import socket

import pytest

from pmtools import ports
from pmtools.errors import CommandError
from pmtools.ports import LOOPBACK, free_ports

_OUTGOING_FROM = 32_768
"""Of Linux, unless it is told otherwise; macOS begins higher."""


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
    found = free_ports(500)
    assert max(found) + 10_000 < _OUTGOING_FROM, "nor the second port of a node of a Redis Cluster"
    assert min(found) + 10_000 > max(found), "which nobody else is given"

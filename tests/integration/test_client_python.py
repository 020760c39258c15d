"""PyPI's `polymarket-client` 0.14.0, unchanged, against `pm simulator`.

The client names its hosts in a constant; `tests/clients/python/exercise.py` says what is redirected
and how. The checks of all methods run once, in the client's own interpreter.
"""

from __future__ import annotations

import pytest

from support.other_clients import CLIENTS, Exercised, exercised, python_client

pytestmark = [pytest.mark.connected, pytest.mark.timeout(420)]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Exercised:
    directory = tmp_path_factory.mktemp("simulator")
    return exercised([python_client(), CLIENTS / "python" / "exercise.py"], directory)


def test_every_method_gets_what_it_needs(client: Exercised) -> None:
    assert client.failures == {}


def test_every_method_is_exercised_or_left_out_with_a_reason(client: Exercised) -> None:
    assert set(client.methods) == client.outcomes.keys() | client.left_out.keys()
    assert not client.outcomes.keys() & client.left_out.keys()
    assert all(client.left_out.values())

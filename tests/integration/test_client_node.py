"""npm's `@polymarket/clob-client-v2` 1.1.0, unchanged, against `pm simulator`.

The checks of all methods run once, in Node; `tests/clients/node/exercise.mjs` holds them.
"""

from __future__ import annotations

import pytest

from support.other_clients import Exercised, exercised, node_client

pytestmark = [pytest.mark.connected, pytest.mark.timeout(420)]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Exercised:
    directory = tmp_path_factory.mktemp("simulator")
    return exercised(["node", node_client() / "exercise.mjs"], directory)


def test_every_method_gets_what_it_needs(client: Exercised) -> None:
    assert client.failures == {}


def test_every_method_is_exercised_or_left_out_with_a_reason(client: Exercised) -> None:
    assert set(client.methods) == client.outcomes.keys() | client.left_out.keys()
    assert not client.outcomes.keys() & client.left_out.keys()
    assert all(client.left_out.values())

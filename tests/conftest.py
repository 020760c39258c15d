"""Fixtures that every test may use."""

import pytest

pytest_plugins = ["support.machine", "support.redis"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--rounds N`: how often the tests that repeat themselves do so; `--seed N`: from where."""
    parser.addoption("--seed", type=int, default=1, help="the first seed of tests that try seeds")
    parser.addoption("--rounds", type=int, default=3, help="rounds of each test that repeats")


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    """How often to repeat: 3 in CI, more with `make soak`."""
    number: int = request.config.getoption("--rounds")
    return number


@pytest.fixture
def first_seed(request: pytest.FixtureRequest) -> int:
    """Where to begin; `rounds` says how many."""
    number: int = request.config.getoption("--seed")
    return number

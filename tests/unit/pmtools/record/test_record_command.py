"""What `pm record` hands to the feed."""

from __future__ import annotations

from argparse import Namespace

from pmcore.shell.settings.common import check_settings
from pmfeed.settings import FeedSettings
from pmtools.cli import build_parser
from pmtools.record.command import recording_environment


def parsed(*arguments: str) -> Namespace:
    return build_parser().parse_args(["record", *arguments])


def test_arguments_become_what_the_feed_reads() -> None:
    arguments = parsed("--venue", "polymarket", "--market", "eth-updown-5m", "--max-gb", "1.5")
    settings, problems = check_settings(FeedSettings, recording_environment(arguments, {}))
    assert settings is not None, problems
    assert settings.record
    assert settings.record_max_gb == 1.5
    assert [spec.series for spec in settings.series] == ["eth-5m"]


def test_variables_count_where_no_argument_is_given() -> None:
    environ = {"POLYMARKET_MARKET_SLUG": "eth-updown-15m", "PM_RECORD_MAX_GB": "3"}
    assert recording_environment(parsed(), environ).items() >= environ.items()


def test_a_key_of_the_operator_is_not_passed_on() -> None:
    environ = {"POLYMARKET_PRIVATE_KEY": "0x1", "POLYMARKET_API_SECRET": "s", "PATH": "/bin"}
    variables = recording_environment(parsed(), environ)
    assert {"POLYMARKET_PRIVATE_KEY", "POLYMARKET_API_SECRET"} & set(variables) == set()
    assert variables["PATH"] == "/bin"

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field, SecretStr
from redis.asyncio.connection import parse_url

from pmcore.shell.bus.redis_url import read_redis_url, with_database
from pmcore.shell.settings.common import (
    CommonSettings,
    Mode,
    check_settings,
    load_settings,
    variables,
)


class _Settings(CommonSettings):
    api_secret: SecretStr | None = Field(None, validation_alias="T_API_SECRET", min_length=8)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in variables(_Settings):
        monkeypatch.delenv(name, raising=False)


def _problems(capsys: pytest.CaptureFixture[str]) -> list[str]:
    with pytest.raises(SystemExit) as end:
        load_settings(_Settings)
    assert end.value.code == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert "Traceback" not in output.err
    return output.err.splitlines()


def test_the_defaults_are_dry_and_the_real_venue() -> None:
    settings = load_settings(_Settings)
    assert settings.mode is Mode.DRY
    assert settings.market_slugs == ("btc-updown-15m",)
    assert settings.ws_base_url == "wss://ws-subscriptions-clob.polymarket.com/ws"
    assert settings.port("feed") == 8101


def test_every_bad_variable_is_named_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = {
        "PM_DRY_RUN": "perhaps",
        "PM_HTTP_PORT": "70000",
        "POLYMARKET_MARKET_SLUG": "btc_15m",
        "POLYMARKET_REST_URL": "clob.polymarket.com",
        "PM_CLOCK": "1,2",
        "PM_VENUE": "binance",
    }
    for name, value in bad.items():
        monkeypatch.setenv(name, value)
    lines = _problems(capsys)
    assert sorted(line.partition(":")[0] for line in lines) == sorted(bad)
    assert any("perhaps" in line for line in lines)


def test_secrets_are_not_shown_even_when_bad(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("T_API_SECRET", "hush")
    monkeypatch.setenv("PM_REDIS_URL", "http://:hush@redis")
    lines = _problems(capsys)
    assert len(lines) == 2
    assert not any("hush" in line for line in lines)


def test_settings_print_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T_API_SECRET", "hush-hush-hush")
    monkeypatch.setenv("PM_REDIS_URL", "redis://:hush@redis:6379/0")
    monkeypatch.setenv("PM_CONTROL_TOKEN", "hush-token")
    assert "hush" not in repr(load_settings(_Settings))


def test_a_secret_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("from-the-file\n")
    monkeypatch.setenv("T_API_SECRET_FILE", str(file))
    secret = load_settings(_Settings).api_secret
    assert secret is not None
    assert secret.get_secret_value() == "from-the-file"


def test_a_secret_given_twice_or_not_readable_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("T_API_SECRET", "long-enough")
    monkeypatch.setenv("T_API_SECRET_FILE", str(tmp_path / "x"))
    monkeypatch.setenv("PM_CONTROL_TOKEN_FILE", str(tmp_path / "absent"))
    lines = _problems(capsys)
    assert [line.partition(":")[0] for line in lines] == ["PM_CONTROL_TOKEN_FILE", "T_API_SECRET"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("absent", "cannot be read: No such file or directory"),
        ("folder", "cannot be read: Is a directory"),
        ("bytes", "cannot be read: not UTF-8 text"),
    ],
)
def test_a_secret_file_that_is_of_no_use_is_named_with_reason_and_remedy(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    name: str,
    reason: str,
) -> None:
    """One line that says all; and a bad value elsewhere does not hide it (decision 10)."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "bytes").write_bytes(b"hush-hush-\xff")
    path = str(tmp_path / name)
    monkeypatch.setenv("T_API_SECRET_FILE", path)
    monkeypatch.setenv("PM_HTTP_PORT", "70000")
    lines = _problems(capsys)
    remedy = "name a file that this user may read"
    assert f"T_API_SECRET_FILE: {reason} (is {path[:80]!r}); {remedy}" in lines
    assert {line.partition(":")[0] for line in lines} == {"T_API_SECRET_FILE", "PM_HTTP_PORT"}
    assert not any("hush" in line for line in lines)


def test_a_secret_file_may_be_a_link_to_another_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "real").write_text("from-the-file")
    (tmp_path / "secrets").mkdir()
    link = tmp_path / "secrets" / "T_API_SECRET"
    link.symlink_to(tmp_path / "real")
    monkeypatch.setenv("T_API_SECRET_FILE", str(link))
    secret = load_settings(_Settings).api_secret
    assert secret is not None
    assert secret.get_secret_value() == "from-the-file"


def test_empty_variables_count_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PM_HTTP_PORT", "")
    monkeypatch.setenv("PM_CONTROL_TOKEN", "")
    settings = load_settings(_Settings)
    assert settings.http_port is None
    assert settings.control_token is None


def test_a_comma_list_names_several_series(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYMARKET_MARKET_SLUG", "btc-updown-15m, eth-updown-5m ,")
    assert [spec.series for spec in load_settings(_Settings).series] == ["btc-15m", "eth-5m"]


@pytest.mark.parametrize("slugs", [",", "btc-updown-15m,btc-updown-15m-1790766900"])
def test_no_series_or_one_series_twice_is_refused(
    slugs: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POLYMARKET_MARKET_SLUG", slugs)
    assert _problems(capsys)[0].startswith("POLYMARKET_MARKET_SLUG: ")


def test_sim_talks_to_the_simulator_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PM_VENUE", "sim")
    monkeypatch.setenv("POLYMARKET_REST_URL", "http://simulator:8200/")
    settings = load_settings(_Settings)
    assert settings.mode is Mode.SIM
    assert settings.rest_url == "http://simulator:8200"
    assert settings.ws_base_url == "ws://127.0.0.1:8200/ws"


def test_sim_never_talks_to_the_real_venue(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PM_VENUE", "sim")
    monkeypatch.setenv("POLYMARKET_REST_URL", "https://clob.polymarket.com")
    (line,) = _problems(capsys)
    assert line.startswith("POLYMARKET_REST_URL: PM_VENUE=sim, but this names the real venue")


def test_live_needs_dry_run_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PM_DRY_RUN", "false")
    assert load_settings(_Settings).mode is Mode.LIVE


def _login(**given: str) -> str:
    settings, problems = check_settings(CommonSettings, given)
    assert settings is not None, problems
    return settings.redis_login("feed")


def test_the_login_of_redis_names_the_service_unless_the_url_names_somebody() -> None:
    for url, login in {
        "redis://there:7/1": "redis://feed:p%2Fw@there:7/1",
        "redis://mine@there:7/1": "redis://mine:p%2Fw@there:7/1",
        "unix:///run/redis.sock?db=1": "unix://feed:p%2Fw@/run/redis.sock?db=1",
    }.items():
        assert _login(PM_REDIS_URL=url, PM_REDIS_PASSWORD="p/w") == login


def test_without_a_password_the_url_is_taken_as_it_is() -> None:
    for url in ("redis://there/0", "redis://mine:hush@there/0", "unix:///run/redis.sock"):
        assert _login(PM_REDIS_URL=url) == url


def test_the_ca_file_of_redis_goes_with_the_url(tmp_path: Path) -> None:
    ca = tmp_path / "our ca.pem"
    ca.touch()
    login = dict(parse_url(_login(PM_REDIS_URL="rediss://there?db=1", PM_REDIS_CA_FILE=str(ca))))
    assert login["ssl_ca_certs"] == str(ca)
    assert login["db"] == 1


@pytest.mark.parametrize(
    ("given", "variable"),
    [
        ({"PM_REDIS_URL": "redis://:a@there", "PM_REDIS_PASSWORD": "b"}, "PM_REDIS_PASSWORD"),
        ({"PM_REDIS_URL": "redis://there", "PM_REDIS_CA_FILE": __file__}, "PM_REDIS_CA_FILE"),
        ({"PM_REDIS_URL": "rediss://there", "PM_REDIS_CA_FILE": "/nowhere"}, "PM_REDIS_CA_FILE"),
        ({"PM_REDIS_SENTINEL_PASSWORD": "b"}, "PM_REDIS_SENTINEL_PASSWORD"),
    ],
)
def test_a_login_of_redis_that_cannot_be_meant_is_named(
    given: dict[str, str], variable: str
) -> None:
    _, problems = check_settings(CommonSettings, given)
    assert [problem.variable for problem in problems] == [variable]


def test_the_url_of_sentinels_is_taken_apart() -> None:
    login = _login(
        PM_REDIS_URL="rediss+sentinel://one:1,[::2]/pm/3",
        PM_REDIS_PASSWORD="p/w",
        PM_REDIS_SENTINEL_PASSWORD="s@w",
    )
    found = read_redis_url(login)
    assert (found.primary, found.hosts) == ("pm", (("one", 1), ("::2", 26_379)))
    assert found.server_url == "rediss://feed:p%2Fw@one:1/3"
    assert found.sentinel_urls == ("rediss://:s%40w@one:1", "rediss://:s%40w@[::2]:26379")
    assert with_database(login, 1).partition("?")[0].endswith("/pm/1")


def test_the_nodes_of_a_cluster_are_several_hosts() -> None:
    found = read_redis_url("redis://ops:p@One:1,two/0")
    assert (found.hosts, found.primary) == ((("one", 1), ("two", 6_379)), "")
    assert found.server_url == "redis://ops:p@one:1/0"
    assert read_redis_url("redis://there").hosts == (("there", 6_379),)
    assert read_redis_url("unix:///run/redis.sock").hosts == ()


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("http://:hush@redis", "begins with one of"),
        ("redis+sentinel://:hush@one:1,two:2", "primary's name"),
        ("redis+sentinel://:hush@one:1,/pm", "host:port"),
        ("redis://:hush@one:port", "host:port"),
        ("redis://:hush@one:", "host:port"),
    ],
)
def test_a_url_that_cannot_be_read_is_told_without_its_password(url: str, text: str) -> None:
    with pytest.raises(ValueError, match=text) as told:
        read_redis_url(url)
    assert "hush" not in str(told.value)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, 0),
        ({"PM_REDIS_URL": "redis+sentinel://one/pm"}, 1),
        ({"PM_REDIS_URL": "redis+sentinel://one/pm", "PM_REDIS_LEASE_REPLICAS": "0"}, 0),
        ({"PM_REDIS_LEASE_REPLICAS": "2"}, 2),
    ],
)
def test_with_sentinels_a_replica_must_have_a_lease(given: dict[str, str], wanted: int) -> None:
    settings, problems = check_settings(_Settings, given)
    assert (problems, settings is not None) == ([], True)
    assert settings is not None
    assert settings.lease_replicas == wanted

"""What the executor refuses to start with, and what it never shows."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from pmcore.model.latency import DEFAULT_LATENCIES, parse_latencies
from pmcore.model.params import OrderCaps
from pmcore.model.units import NS_PER_S
from pmcore.shell.settings.common import Mode, load_settings
from pmexecutor.settings import THROWAWAY_ADDRESS, THROWAWAY_KEY, ExecutorSettings
from pmexecutor.signer import address_of_key
from pmsim.queue.line import FillModel
from support.builders import window

REAL_KEY = "0x" + "ab" * 32
FUNDER = "0x" + "22" * 20


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in tuple(os.environ):
        if name.startswith(("PM_", "POLYMARKET_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def _load(monkeypatch: pytest.MonkeyPatch, **variables: str) -> ExecutorSettings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return load_settings(ExecutorSettings)


def _refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **variables: str
) -> list[str]:
    with pytest.raises(SystemExit) as stopped:
        _load(monkeypatch, **variables)
    assert stopped.value.code == 2
    return capsys.readouterr().err.splitlines()


def test_it_is_dry_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _load(monkeypatch).mode is Mode.DRY


def test_live_without_a_key_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (line,) = _refused(monkeypatch, capsys, PM_DRY_RUN="false")
    assert "POLYMARKET_PRIVATE_KEY" in line


def test_live_does_not_merge(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = _refused(monkeypatch, capsys, PM_DRY_RUN="false", PM_MERGE_MIN_PAIRS="5")
    assert [line for line in lines if "PM_MERGE_MIN_PAIRS" in line and "set it to 0" in line]
    settings = _load(monkeypatch, PM_VENUE="sim", PM_MERGE_MIN_PAIRS="5")
    assert settings.order_caps().merge_min_pairs_u6 == 5_000_000


def test_live_refuses_the_public_throw_away_key(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (line,) = _refused(
        monkeypatch, capsys, PM_DRY_RUN="false", POLYMARKET_PRIVATE_KEY=THROWAWAY_KEY
    )
    assert "throw-away" in line
    assert "11" * 32 not in line


def test_sim_signs_with_the_throw_away_key(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _load(monkeypatch, PM_VENUE="sim")
    assert address_of_key(settings.key_bytes()) == THROWAWAY_ADDRESS


@pytest.mark.parametrize("key", ["0x12", "zz" * 32, "00" * 32, "ff" * 32])
def test_a_bad_key_is_named_but_never_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], key: str
) -> None:
    lines = _refused(monkeypatch, capsys, POLYMARKET_PRIVATE_KEY=key)
    assert any("POLYMARKET_PRIVATE_KEY" in line for line in lines)
    assert key not in "\n".join(lines)


def test_all_faults_are_named_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = _refused(
        monkeypatch,
        capsys,
        PM_RATE_TIER="tin",
        PM_CANCEL_RESERVE="-1",
        POLYMARKET_SIGNATURE_TYPE="4",
        POLYMARKET_FUNDER_ADDRESS="me",
        PM_CHAIN_ID="1",
    )
    text = "\n".join(lines)
    for name in (
        "PM_RATE_TIER",
        "PM_CANCEL_RESERVE",
        "POLYMARKET_SIGNATURE_TYPE",
        "POLYMARKET_FUNDER_ADDRESS",
        "PM_CHAIN_ID",
    ):
        assert name in text


@pytest.mark.parametrize("signature_type", ["1", "2", "3"])
def test_wallets_need_a_funder(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], signature_type: str
) -> None:
    (line,) = _refused(monkeypatch, capsys, POLYMARKET_SIGNATURE_TYPE=signature_type)
    assert "POLYMARKET_FUNDER_ADDRESS" in line


def test_half_of_the_credentials_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (line,) = _refused(monkeypatch, capsys, POLYMARKET_API_KEY="key")
    assert "POLYMARKET_API_PASSPHRASE" in line


def test_given_credentials_are_used_and_nothing_secret_is_printed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = _load(
        monkeypatch,
        PM_DRY_RUN="false",
        POLYMARKET_PRIVATE_KEY=REAL_KEY,
        POLYMARKET_SIGNATURE_TYPE="2",
        POLYMARKET_FUNDER_ADDRESS=FUNDER,
        POLYMARKET_API_KEY="key",
        POLYMARKET_API_SECRET="aHVzaA==",
        POLYMARKET_API_PASSPHRASE="open sesame",
    )
    credentials = settings.given_credentials("0xme")
    assert credentials is not None
    assert credentials.secret == "aHVzaA=="
    shown = repr(settings) + repr(credentials)
    for secret in ("ab" * 32, "aHVzaA==", "open sesame"):
        assert secret not in shown


def test_where_the_credentials_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert _load(monkeypatch, PM_DATA_DIR=str(tmp_path)).credentials_file == (
        tmp_path / "api_credentials.json"
    )
    path = tmp_path / "shared" / "credentials.json"
    settings = _load(monkeypatch, POLYMARKET_API_CREDENTIALS_FILE=str(path))
    assert settings.credentials_file == path


def test_a_key_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(REAL_KEY + "\n")
    settings = _load(monkeypatch, PM_DRY_RUN="false", POLYMARKET_PRIVATE_KEY_FILE=str(path))
    assert settings.key_bytes() == bytes.fromhex("ab" * 32)


BOUNDS = [
    ("POLYMARKET_SIGNATURE_TYPE", "signature_type", 0, 3, 0),
    ("PM_CANCEL_RESERVE", "cancel_reserve", 0, 100, 20),
    ("PM_POST_TIMEOUT_MS", "post_timeout_ms", 100, 30_000, 3_000),
    ("PM_READ_TIMEOUT_MS", "read_timeout_ms", 100, 30_000, 5_000),
    ("PM_POST_CONCURRENCY", "post_concurrency", 1, 64, 16),
    ("PM_WINDOW_LINGER_S", "window_linger_s", 0, 86_400, 900),
]


@pytest.mark.parametrize(("variable", "field", "least", "most", "default"), BOUNDS)
def test_each_number_has_its_default_and_its_bounds(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variable: str,
    field: str,
    least: int,
    most: int,
    default: int,
) -> None:
    assert getattr(_load(monkeypatch), field) == default
    monkeypatch.setenv("POLYMARKET_FUNDER_ADDRESS", FUNDER)
    for number in (least, most):
        assert getattr(_load(monkeypatch, **{variable: str(number)}), field) == number
    for number in (least - 1, most + 1):
        lines = _refused(monkeypatch, capsys, **{variable: str(number)})
        assert variable in "\n".join(lines)


@pytest.mark.parametrize("chain_id", [137, 80002])
def test_the_chains_of_the_venue_are_known(monkeypatch: pytest.MonkeyPatch, chain_id: int) -> None:
    assert _load(monkeypatch).chain_id == 137
    assert _load(monkeypatch, PM_CHAIN_ID=str(chain_id)).chain_id == chain_id


CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@pytest.mark.parametrize("number", [1, CURVE_ORDER - 1])
def test_a_key_is_a_number_below_the_order_of_the_curve(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    settings = _load(monkeypatch, POLYMARKET_PRIVATE_KEY=f"{number:064x}")
    assert settings.key_bytes() == number.to_bytes(32, "big")
    line, *_ = _refused(monkeypatch, capsys, POLYMARKET_PRIVATE_KEY=f"{CURVE_ORDER:064x}")
    assert "64 characters" in line


def test_the_throw_away_key_is_known_in_any_spelling(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _load(monkeypatch, POLYMARKET_PRIVATE_KEY="11" * 32).mode is Mode.DRY
    (line,) = _refused(monkeypatch, capsys, PM_DRY_RUN="false")
    assert "throw-away" in line


def test_its_limits_are_the_strategys(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _load(monkeypatch).order_caps() == OrderCaps(
        bid_size_u6=2_000_000,
        max_position_value_u6=5_000_000,
        pair_target_e4=9_900,
        max_net_diff_u6=10_000_000,
    )
    loaded = _load(monkeypatch, PM_MAX_WINDOW_LOSS="2.5", PM_MAX_NET_DIFF="7", PM_PAIR_TARGET="0.9")
    caps = loaded.order_caps()
    assert (caps.max_window_loss_u6, caps.max_net_diff_u6) == (2_500_000, 7_000_000)
    assert caps.pair_target_e4 == 9_000


def test_orders_expire_only_if_that_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    market = window(length_s=900)
    assert _load(monkeypatch).expiration_s(market.open_ns, market) == 0
    loaded = _load(monkeypatch, PM_ORDER_LIFE="gtd", PM_CANCEL_BEFORE_CLOSE_S="7")
    assert loaded.expiration_s(market.open_ns, market) == market.close_ns // NS_PER_S - 7 + 60


def test_paper_fills_are_central_unless_another_model_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert _load(monkeypatch).paper_fills == "central"
    for model in FillModel:
        assert _load(monkeypatch, PM_PAPER_FILLS=model.value).paper_fills == model
    with pytest.raises(SystemExit):
        _load(monkeypatch, PM_PAPER_FILLS="hopeful")


def test_a_series_may_have_limits_and_an_end_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = _load(
        monkeypatch,
        POLYMARKET_MARKET_SLUG="btc-updown-15m,btc-updown-5m",
        PM_ORDER_LIFE="gtd",
        PM_MAX_NET_DIFF__BTC_UPDOWN_15M="7",
        PM_CANCEL_BEFORE_CLOSE_S__BTC_UPDOWN_15M="9",
        PM_DEBOUNCE_MS__BTC_UPDOWN_5M="9",  # the strategy's alone
    )
    assert list(loaded.by_series) == ["btc-15m"]
    caps = loaded.order_caps()
    own = msgspec.structs.replace(caps, max_net_diff_u6=7_000_000)
    assert loaded.of_series("btc-15m").order_caps() == own != caps
    market = window(length_s=900)
    expires_s = loaded.of_series(market.series).expiration_s(market.open_ns, market)
    assert expires_s == market.close_ns // NS_PER_S - 9 + 60


def test_the_papers_latency_is_a_number_or_quantiles(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _load(monkeypatch).paper_latencies == DEFAULT_LATENCIES
    loaded = _load(monkeypatch, PM_PAPER_LATENCY_MS="order=40/90/250,cancel=30,report=9")
    assert loaded.paper_latencies == parse_latencies("order=40/90/250,cancel=30,report=9")
    (line,) = _refused(monkeypatch, capsys, PM_PAPER_LATENCY_MS="6000")
    assert line == (
        "PM_PAPER_LATENCY_MS: latencies are from 0 to 5000 ms (is '6000'); correct it, or unset it "
        "for 60"
    )

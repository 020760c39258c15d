from __future__ import annotations

from pathlib import Path

import pytest

from pmcore.model.errors import InvariantError
from pmcore.shell.service.metrics import HOP_SAMPLES, ServiceMetrics


def _metrics(speed: float = 1.0) -> ServiceMetrics:
    return ServiceMetrics("feed", version="1", mode="sim", speed=speed)


def test_names_carry_the_service() -> None:
    metrics = _metrics()
    metrics.counter("frames_total", "Frames", ["series"]).labels("btc-15m").inc(2)
    assert b'pm_feed_frames_total{series="btc-15m"} 2.0' in metrics.render()


def test_two_services_in_one_process_do_not_share_a_registry() -> None:
    _metrics()
    _metrics()


def test_labels_that_grow_without_bound_are_refused() -> None:
    with pytest.raises(InvariantError):
        _metrics().counter("orders_total", "Orders", ["order_id"])


def test_hops_have_exact_quantiles_of_the_last_ones() -> None:
    metrics = _metrics()
    for number in range(HOP_SAMPLES + 100):
        metrics.hop("feed_parse", number * 1_000_000)
    assert metrics.hop_ms() == {"feed_parse": {"p50": 5099.0, "p99": 9999.0, "n": HOP_SAMPLES}}
    assert b'pm_hop_latency_seconds_count{hop="feed_parse"} 10100.0' in metrics.render()


def test_hops_are_real_time_and_never_negative() -> None:
    metrics = _metrics(speed=5.0)
    metrics.hop("a", 5_000_000)
    metrics.hop("b", -1)
    assert metrics.hop_ms()["a"]["p50"] == 1.0
    assert metrics.hop_ms()["b"]["p50"] == 0.0


def test_the_disk_is_looked_at_when_prometheus_asks(tmp_path: Path) -> None:
    metrics = _metrics()
    assert b"disk_free_ratio" not in metrics.render()
    metrics.watch_disk(tmp_path / "not made yet")
    shown = next(
        line for line in metrics.render().splitlines() if line.startswith(b"pm_service_disk_free")
    )
    assert 0 < float(shown.split()[1]) <= 1


def test_a_disk_that_cannot_be_read_is_absent_and_not_zero(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(_: object) -> None:
        raise OSError

    monkeypatch.setattr("shutil.disk_usage", fail)
    metrics = _metrics()
    metrics.watch_disk(tmp_path)
    assert b"\npm_service_disk_free_ratio " not in metrics.render()


def test_an_unknown_lag_is_absent_and_not_zero() -> None:
    metrics = _metrics()
    metrics.bus_lag({("btc-5m", "cmd"): 3, ("eth-5m", "cmd"): 1, ("btc-5m", "md"): None})
    text = metrics.render()
    assert b'pm_bus_lag_entries{series="btc-5m",stream="cmd"} 3.0' in text
    assert b'pm_bus_lag_entries{series="eth-5m",stream="cmd"} 1.0' in text
    assert b'stream="md"' not in text


def test_an_unknown_pending_age_is_absent_and_not_zero() -> None:
    metrics = _metrics()
    metrics.bus_pending_age(
        {("btc-5m", "cmd"): 2.5, ("btc-5m", "exe"): 0.0, ("", "ctl"): 0.0, ("", "user"): None}
    )
    text = metrics.render()
    assert b'pm_bus_pending_age_seconds{series="btc-5m",stream="cmd"} 2.5' in text
    assert b'pm_bus_pending_age_seconds{series="btc-5m",stream="exe"} 0.0' in text
    assert b'pm_bus_pending_age_seconds{series="",stream="ctl"} 0.0' in text
    assert b'stream="user"' not in text

"""What Grafana is given fits together: it cannot be started where its image cannot be had."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
import yaml

from support.tree import ROOT, name_of

DASHBOARDS = sorted((ROOT / "grafana/dashboards").glob("*.json"))
ROWS = ("Latency", "Market data", "Order flow", "Quotes", "Rejections", "Fills", "Streams")


def read(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text())


@pytest.fixture(params=DASHBOARDS, ids=name_of)
def dashboard(request: pytest.FixtureRequest) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(request.param.read_text())
    return loaded


def test_panels_ask_the_provisioned_source(dashboard: dict[str, Any]) -> None:
    (source,) = read("grafana/provisioning/datasources/prometheus.yml")["datasources"]
    asked = {
        target["datasource"]["uid"]
        for panel in dashboard["panels"]
        for target in panel.get("targets", ())
    }
    assert asked == {source["uid"]}
    assert source["url"] == "http://prometheus:9090"


def test_panels_have_their_own_ids_and_places(dashboard: dict[str, Any]) -> None:
    assert max(Counter(panel["id"] for panel in dashboard["panels"]).values()) == 1
    cells = Counter(
        (x, y)
        for place in (panel["gridPos"] for panel in dashboard["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    )
    assert max(cells.values()) == 1
    assert max(x for x, _ in cells) < 24


def test_the_rows_cover_what_an_operator_asks(dashboard: dict[str, Any]) -> None:
    titles = [panel["title"] for panel in dashboard["panels"] if panel["type"] == "row"]
    assert [row for row in ROWS if not any(title.startswith(row) for title in titles)] == []


def test_compose_mounts_what_grafana_reads() -> None:
    grafana = read("docker-compose.yml")["services"]["grafana"]
    mounts = dict(volume.split(":")[:2][::-1] for volume in grafana["volumes"])
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    folder, _, file = home.rpartition("/")
    assert (ROOT / mounts[folder] / file).is_file()
    (provider,) = read("grafana/provisioning/dashboards/files.yml")["providers"]
    assert provider["options"]["path"] == folder
    assert (ROOT / mounts["/etc/grafana/provisioning"] / "datasources").is_dir()

"""What Grafana is given fits together: it cannot be started where its image cannot be had."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
import yaml

from support.tree import ROOT, name_of

DASHBOARDS = sorted((ROOT / "grafana/dashboards").glob("*.json"))
ROWS = {
    "overview": ("At a glance", "What is held", "Why it is not quoting"),
    "making": ("Order flow", "Quotes", "Market data"),
    "execution": ("Latency", "Kills", "Orders", "Rejections"),
    "money": ("The UTC day", "The window", "Fills", "What does not agree"),
    "streams": ("Streams", "Market data", "The user channel", "Processes"),
}
ANNOTATIONS = ["Rotations", "Kills", "Rejections"]


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


def test_the_dashboards_are_those_that_an_operator_looks_for() -> None:
    rows = {
        path.stem: [
            p["title"] for p in json.loads(path.read_text())["panels"] if p["type"] == "row"
        ]
        for path in DASHBOARDS
    }
    assert rows.keys() == ROWS.keys()
    missing = {
        (name, start)
        for name, starts in ROWS.items()
        for start in starts
        if not any(title.startswith(start) for title in rows[name])
    }
    assert missing == set()


def test_each_dashboard_chooses_series_and_marks_what_happened(dashboard: dict[str, Any]) -> None:
    (variable,) = dashboard["templating"]["list"]
    assert (variable["name"], variable["multi"], variable["includeAll"]) == ("series", True, True)
    assert [one["name"] for one in dashboard["annotations"]["list"]] == ANNOTATIONS
    assert all(one["enable"] for one in dashboard["annotations"]["list"])


def test_no_two_dashboards_have_one_address() -> None:
    addresses = [json.loads(path.read_text())["uid"] for path in DASHBOARDS]
    assert sorted(set(addresses)) == sorted(addresses)


def test_compose_mounts_what_grafana_reads() -> None:
    grafana = read("docker-compose.yml")["services"]["grafana"]
    mounts = dict(volume.split(":")[:2][::-1] for volume in grafana["volumes"])
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    folder, _, file = home.rpartition("/")
    assert (ROOT / mounts[folder] / file).is_file()
    (provider,) = read("grafana/provisioning/dashboards/files.yml")["providers"]
    assert provider["options"]["path"] == folder
    assert (ROOT / mounts["/etc/grafana/provisioning"] / "datasources").is_dir()

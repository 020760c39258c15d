"""`--latency`: what a run's own journal measured, files of quantiles, and what a replay does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pmcore.model.latency import DEFAULT_LATENCIES, Travel
from pmcore.model.units import NS_PER_MS
from pmtools.cli import main
from pmtools.errors import UsageError
from pmtools.replay.latency import journals_in, measure, quantiles_ms, read_latencies
from pmtools.simulate.world import SeededWorld
from support.small_recording import write_recording

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a run whose network takes 3.2 to 7.2 ms each way (`LinkFaults`), and nothing else."""
    world = SeededWorld(7)
    host = world.hosts["executor"]
    host.settings = host.settings.model_copy(update={"journal": True})
    folder = tmp_path_factory.mktemp("run") / "executor"
    world.start()
    try:
        world.run(28)
        host.kill()
        shutil.copytree(host.settings.data_dir, folder)
    finally:
        world.close()
    return folder.parent


def test_what_is_measured_is_what_the_network_took(run_folder: Path) -> None:
    measured = measure(journals_in(run_folder))
    for travel in (Travel.ORDER, Travel.CANCEL, Travel.QUERY):
        assert len(measured[travel]) >= 2
        assert min(measured[travel]) >= 2 * 3.2 * NS_PER_MS, travel
        assert max(measured[travel]) <= (2 * 7.2 + 1) * NS_PER_MS, travel
    assert measured[Travel.REPORT]


def test_a_folder_a_journal_and_a_file_of_its_quantiles_say_the_same(
    run_folder: Path, tmp_path: Path
) -> None:
    (journal,) = run_folder.glob("executor/journal/executor-*")
    of_folder = read_latencies(str(run_folder), 3)
    assert of_folder == read_latencies(str(journal), 3)
    assert of_folder.seed == 3
    path = tmp_path / "latency.json"
    path.write_text(json.dumps({"latency_ms": quantiles_ms(measure(journals_in(journal)))}))
    assert read_latencies(str(path), 3) == of_folder
    assert of_folder.order.points[0][1] >= 2 * 3.2 * NS_PER_MS


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{}", "no latencies can be read there"),
        ('{"latency_ms": {"order": {"p50": 5}}}', "there is no latency of: cancel"),
        ('{"latency_ms": {"order": {"q50": 5}, "cancel": {"p50": 5}}}', "'q50' is no quantile"),
        ('{"latency_ms": {"order": {"p50": 5, "p90": 4}, "cancel": {"p50": 5}}}', "must rise"),
        ('{"latency_ms": {"order": {}, "cancel": {"p50": 5}}}', "must rise"),
        ('{"latency_ms": {"order": {"p500": 5}, "cancel": {"p50": 5}}}', "from 0 to 10000"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "latency.json"
    path.write_text(content)
    with pytest.raises(UsageError) as raised:
        read_latencies(str(path))
    (line,) = raised.value.args
    assert said in line


def test_a_folder_without_a_journal_and_a_wrong_text_are_said(tmp_path: Path) -> None:
    for text, said in ((str(tmp_path), "no journal of an executor"), ("fast", "neither")):
        with pytest.raises(UsageError, match=said):
            read_latencies(text)
    assert read_latencies(None) is DEFAULT_LATENCIES


def test_a_replay_depends_on_the_latencies_and_the_seed_and_on_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PM_BID_SIZE", "5")
    monkeypatch.setenv("PM_OFI_TOXICITY_THRESHOLD", "1000")
    recording = write_recording(tmp_path / "window.jsonl")

    def replay(*arguments: str) -> dict[str, Any]:
        assert main(["replay", str(recording), "--json", *arguments]) == 0
        told: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
        return told

    assert replay("--latency", "60") == replay("--latency", "order=60,cancel=60") == replay()
    spread = replay("--latency", "20/200/900")
    assert spread == replay("--latency", "20/200/900", "--latency-seed", "1")
    other = replay("--latency", "20/200/900", "--latency-seed", "2")
    prints = {each["fingerprint"] for each in (replay(), spread, other)}
    assert len(prints) == 3

"""The executor's journal of a run of all services: it replays, and holds no secret."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pmcore.model.errors import Reason
from pmcore.shell.journal import journal_parts, journal_stem, read_journal
from pmexecutor.settings import THROWAWAY_KEY
from pmtools.cli import main
from pmtools.simulate.world import SeededWorld

pytestmark = pytest.mark.timeout(120)

_SIGNATURE = re.compile(rb"0x[0-9a-fA-F]{130}")
Lines = list[bytes]


def _run(*, kill: bool) -> tuple[Lines, list[str]]:
    """The journal's lines of a run with orders and fills, and the secrets of the run."""
    world = SeededWorld(7)
    host = world.hosts["executor"]
    host.settings = host.settings.model_copy(update={"journal": True})
    world.start()
    try:
        world.run(28)
        if not kill:
            world.halt_for_good()
            world.run(3)
            assert host.service is not None
            host.do(host.service.stop)
            world.run(10)
        host.kill()
        first, *_ = sorted((host.settings.data_dir / "journal").iterdir())
        parts = journal_parts(first.parent, journal_stem(first))
        secrets = json.loads(host.settings.credentials_file.read_text())
        lines = [line for part in parts for line in read_journal(part)]
    finally:
        world.close()
    hidden = [value for name, value in secrets.items() if name in ("secret", "passphrase")]
    return lines, [*hidden, secrets["api_key"], THROWAWAY_KEY.removeprefix("0x")]


@pytest.fixture(scope="module")
def ended() -> tuple[Lines, list[str]]:
    return _run(kill=False)


@pytest.fixture
def replay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def run(lines: Sequence[bytes], code: int, tail: bytes = b"") -> str:
        path = tmp_path / "executor.jsonl"
        path.write_bytes(b"\n".join([*lines, tail]))
        assert main(["replay", str(path)]) == code
        said = capsys.readouterr()
        return said.out + said.err

    return run


def _index_of(lines: Lines, kind: bytes) -> int:
    return next(index for index, line in enumerate(lines) if kind in line)


def test_a_run_replays_without_a_difference(
    ended: tuple[Lines, list[str]], replay: Callable[..., str]
) -> None:
    lines, _ = ended
    assert b'"type":"Posted"' in b"".join(lines)
    assert lines[-1].startswith(b'{"type":"end"')
    assert "outputs differ" not in replay(lines, 0)


def test_a_changed_answer_shows_the_step_that_differs(
    ended: tuple[Lines, list[str]], replay: Callable[..., str]
) -> None:
    lines = list(ended[0])
    index = _index_of(lines, b'"type":"Posted"')
    entry = json.loads(lines[index])
    entry[2] = {
        "type": "PostRejected",
        "client_order_id": entry[2]["client_order_id"],
        "reason": Reason.POST_ONLY_CROSSES.value,
    }
    lines[index] = json.dumps(entry, separators=(",", ":")).encode()
    assert f"at step {index}, PostRejected at {entry[1]}" in replay(lines, 1)


def test_a_journal_cut_within_a_line_replays_up_to_there(
    ended: tuple[Lines, list[str]], replay: Callable[..., str]
) -> None:
    lines = ended[0]
    index = _index_of(lines, b'"type":"Posted"')
    assert "outputs differ" not in replay(lines[:index], 0, tail=lines[index][:-9])


def test_what_a_killed_executor_leaves_replays(replay: Callable[..., str]) -> None:
    lines, _ = _run(kill=True)
    assert b'"type":"Posted"' in b"".join(lines)
    assert not lines[-1].startswith(b'{"type":"end"')
    assert "outputs differ" not in replay(lines, 0)


def test_no_secret_and_no_signature_is_in_it(ended: tuple[Lines, list[str]]) -> None:
    lines, secrets = ended
    text = b"\n".join(lines)
    assert len(secrets) == 4
    assert not [secret for secret in secrets if secret.encode() in text]
    assert not _SIGNATURE.search(text)

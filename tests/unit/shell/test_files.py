from __future__ import annotations

from pathlib import Path

from pmcore.shell.files import create_file_once, remove_file, write_file_atomically


def test_a_file_is_replaced_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "new" / "halt.json"
    write_file_atomically(path, b"one")
    write_file_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_of_two_that_make_a_file_the_first_wins(tmp_path: Path) -> None:
    path = tmp_path / "token"
    create_file_once(path, b"first")
    create_file_once(path, b"second")
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_removing_what_is_gone_is_fine(tmp_path: Path) -> None:
    remove_file(tmp_path / "gone")

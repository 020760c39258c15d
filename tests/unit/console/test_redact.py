"""What must not leave the machine is taken out of a text, and names of our own stay."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmconsole.redact import HIDDEN, redact


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("wallet 0x" + "1f" * 20, f"wallet {HIDDEN}"),
        ("key 0x" + "AB" * 32 + " end", f"key {HIDDEN} end"),
        ("id 8d1f0c2e-9b0a-4c1d-8e2f-3a4b5c6d7e8f", f"id {HIDDEN}"),
        ("redis://user:word@host:6379/0", f"redis://{HIDDEN}@host:6379/0"),
        ("GET https://host/path?token=abc failed", f"GET https://host/path?{HIDDEN} failed"),
        ("two\nlines\x1b[31m", "two lines [31m"),
        ("btc-updown-15m-1795634760: no bid", "btc-updown-15m-1795634760: no bid"),
        ("docs/runbook.md#shares-without-a-pair-near-the-end", None),
        ("waiting for the trade of matched shares", None),
    ],
)
def test_examples(text: str, shown: str | None) -> None:
    assert redact(text) == (text if shown is None else shown)


def test_a_secret_that_is_part_of_another_leaves_nothing() -> None:
    assert redact("tok-12-and-more", ["tok-12", "tok-12-and-more"]) == HIDDEN


@given(st.text(), st.text(alphabet="abcdef0123456789", min_size=6, max_size=80), st.text())
def test_a_given_secret_is_never_shown(before: str, secret: str, after: str) -> None:
    shown = redact(f"{before} {secret} {after}", [secret])
    assert secret not in shown.replace(HIDDEN, "") or secret in before + after

"""One way to state what must be true."""

from __future__ import annotations

from pmcore.model.errors import InvariantError


def invariant(condition: bool, text: str) -> None:  # noqa: FBT001 - reads as an assertion
    """Raise `InvariantError` when an invariant is broken; also in production."""
    if not condition:
        raise InvariantError(text)

"""The core answers fixed inputs as it did before: finds changes that other tests do not.

A story is thousands of rolled inputs (`support.stories`). When a behaviour was changed on purpose,
look at the first lines that differ, then write the new answers with `make stories`.
"""

from __future__ import annotations

import pytest

from support.stories.book import STORIES, read


@pytest.mark.parametrize("name", STORIES)
def test_the_story_goes_as_before(name: str) -> None:
    kept = read(name)
    number = 0
    for number, line in enumerate(STORIES[name](), 1):
        if number > len(kept) or line != kept[number - 1]:
            was = kept[number - 1] if number <= len(kept) else "(the end)"
            pytest.fail(f"{name}, line {number}:\n  was {was}\n  now {line}\nmake stories")
    assert number == len(kept)

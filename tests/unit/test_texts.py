"""How texts from outside are shown, at the edges."""

from __future__ import annotations

import pytest

from progress_exhaust.text import shown


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("a" * 100, f'"{"a" * 100}"', id="as long as may be"),
        pytest.param("a" * 101, f'"{"a" * 100}..."', id="one more"),
    ],
)
def test_text_is_shown_up_to_100_characters(text: str, told: str) -> None:
    assert shown(text) == told

"""What an executor blames is read back from whatever text its failure comes in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from progress_exhaust.tables.blame import Blame, blame_in, blame_text

blames = st.builds(Blame, table=st.text(), file=st.text())


@given(blames, st.text(), st.text())
def test_blame_is_read_back_from_the_midst_of_a_text(blame: Blame, before: str, after: str) -> None:
    assert blame_in(f"{before}{blame_text(blame)}{after}") == blame


@given(blames, blames)
def test_first_of_two_blames_counts(one: Blame, other: Blame) -> None:
    assert blame_in(f"{blame_text(one)}\n\tat java.lang.Thread\n{blame_text(other)}") == one


@given(st.text())
def test_text_without_a_mark_blames_nothing(text: str) -> None:
    assert blame_in(text) is None


@given(blames, st.integers(min_value=1))
def test_mark_that_is_cut_blames_nothing(blame: Blame, cut: int) -> None:
    text = blame_text(blame)
    assert blame_in(text[: -min(cut, len(text))]) is None


@given(blames)
def test_expression_in_the_text_of_a_plan_is_no_mark(blame: Blame) -> None:
    beginning = blame_text(Blame("", "")).partition("{")[0]
    for other in ("", ", to_json(struct(table, ks.t))", "[]", '{"table": "t"}', "{}", "7", "null"):
        assert blame_in(f"raise_error(concat({beginning}{other}") is None
        assert blame_in(f"raise_error(concat({beginning}{other}\n{blame_text(blame)}") == blame

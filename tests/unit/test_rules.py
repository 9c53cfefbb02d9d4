"""Each rule of the data contract has tests that carry its id, and each id that a test carries is a rule's."""

from __future__ import annotations

from tests.support.contract_rules import marked_rules, rule_ids


def test_every_rule_has_an_id_of_its_own() -> None:
    ids = rule_ids()
    assert len(ids) > 100
    assert sorted({one for one in ids if ids.count(one) > 1}) == []


def test_every_rule_has_a_test() -> None:
    assert sorted(set(rule_ids()) - marked_rules().keys()) == []


def test_every_mark_is_a_rule() -> None:
    known = set(rule_ids())
    assert {one: files for one, files in marked_rules().items() if one not in known} == {}

"""Trees that are odd, and batches that are made all the same, by the ids of the contract's table."""

from __future__ import annotations

from typing import Any

from tests.support.bad_batch_case import BatchCase, one_batch, registry
from tests.support.builders import COLLECTION_TYPE, collection, leaf

CASES, case = registry()


@case("tree-without-mandatory-leaf")
def _(name: str) -> BatchCase:
    optional = {"relationalMetadata": {"optional": True}}
    tree = collection(
        f"do-{name}", [leaf("a", **optional), collection("empty", []), collection("b", []) | {"children": 7}]
    )
    blank = {"Progress": [""], "empty - Progress": [""], "b - Progress": [""]}
    return BatchCase(one_batch(name, tree=tree), blank)


@case("tree-name-not-text")
def _(name: str) -> BatchCase:
    nested = collection(f"do-{name}-n", [leaf("a", name=7)], name=["x"])
    return BatchCase(
        one_batch(name, tree=collection(f"do-{name}", [nested], name={"en": "x"})), {"Collection Name": [""]}
    )


@case("tree-lone-surrogate")
def _(name: str) -> BatchCase:
    tree = collection(f"do-{name}", [leaf("a")], name="a\ud800b \U0001f600")
    return BatchCase(one_batch(name, tree=tree), {"Collection Name": ["a\ufffdb \U0001f600"]})


@case("tree-child-not-an-object")
def _(name: str) -> BatchCase:
    tree = collection(f"do-{name}", [None, 7, "x", [leaf("b")], leaf(f"do-{name}-a"), True])  # type: ignore[list-item]
    return BatchCase(one_batch(name, tree=tree), {"Progress": ["100"]}, counted=5)


@case("tree-child-without-identifier")
def _(name: str) -> BatchCase:
    below = {"mimeType": COLLECTION_TYPE, "children": [leaf("b")]}
    odd: list[dict[str, Any]] = [{}, {"identifier": ""}, {"identifier": 7}, {"identifier": None, **below}]
    last = collection(f"do-{name}-n", [leaf(f"do-{name}-a")])
    tree = collection(f"do-{name}", [*odd, last])
    cells = {"Progress": ["100"], f"do-{name}-n - Level": ["1"]}
    return BatchCase(one_batch(name, tree=tree), cells, counted=4)


@case("tree-children-not-a-list")
def _(name: str) -> BatchCase:
    odd = [
        collection(f"odd-{n}", []) | {"children": value} for n, value in enumerate(({"identifier": "x"}, "x", None, 7))
    ]
    tree = collection(f"do-{name}", [leaf(f"do-{name}-a"), *odd])
    cells = {"Progress": ["100"], "odd-0 - Progress": [""], "odd-3 - Level": ["4"]}
    return BatchCase(one_batch(name, tree=tree), cells)


@case("tree-cycle")
def _(name: str) -> BatchCase:
    again = [collection(f"do-{name}", [leaf("b")]), collection("loop", [leaf("c")])]
    tree = collection(f"do-{name}", [collection("loop", [*again, collection("n", [leaf(f"do-{name}-a")])])])
    cells = {"Progress": ["100"], "loop - Level": ["1"], "n - Level": ["1.1"]}
    return BatchCase(one_batch(name, tree=tree), cells, counted=2)


@case("tree-index-not-a-number")
def _(name: str) -> BatchCase:
    indices: list[Any] = [3, 2, "1", True]
    tree = collection(f"do-{name}", [collection(f"n{n}", [leaf("a")], index=i) for n, i in enumerate(indices, 1)])
    return BatchCase(one_batch(name, tree=tree), {f"n{n} - Level": [str(n)] for n in (1, 2, 3, 4)})


@case("tree-children-missing")
def _(name: str) -> BatchCase:
    done, optional = f"do-{name}-a", {"relationalMetadata": {"optional": True}}
    thin = [
        collection("thin", [], leafNodes=[done, "b", "", None, 7, done]),
        collection("thin-optional", [], leafNodes=[done, "c", "d", "e"], **optional) | {"children": None},
        collection("full", [leaf("b")], leafNodes=[done]),
    ]
    # Below the root everything that the optional one lists is optional: b alone is left.
    cells = {"Progress": ["0"], "thin - Progress": ["50"], "thin-optional - Progress": ["25"], "full - Progress": ["0"]}
    return BatchCase(one_batch(name, tree=collection(f"do-{name}", thin)), cells)


@case("tree-mime-type-missing")
def _(name: str) -> BatchCase:
    without: dict[str, Any] = {"trackable": {"enabled": "Yes"}, "name": "x"}
    nodes = [
        {**without, "identifier": "unit", "trackable": None, "children": [leaf(f"do-{name}-a")]},
        {**without, "identifier": "course", "mimeType": None, "children": [leaf(f"do-{name}-a"), leaf("b"), leaf("c")]},
        {**without, "identifier": "empty", "children": []},
        {**without, "identifier": "leaf"},
        {**without, "identifier": "set", "objectType": "QuestionSet", "children": [leaf("d")]},
    ]
    cells = {"Progress": ["20"], "course - Progress": ["33"], "course - Level": ["2"], "empty - Level": ["3"]}
    return BatchCase(one_batch(name, tree=collection(f"do-{name}", nodes)), cells)


@case("tree-optional-in-one-place")
def _(name: str) -> BatchCase:
    done, optional = f"do-{name}-a", {"relationalMetadata": {"optional": True}}
    nodes = [
        collection("mandatory", [leaf(done), leaf("b")]),
        collection("optional", [leaf(done, **optional), leaf("c")]),
        collection("both", [leaf(done), leaf("d"), collection("inner", [leaf(done)], **optional)]),
    ]
    cells = {
        "Progress": ["0"],
        "mandatory - Progress": ["50"],
        "optional - Progress": ["0"],
        "both - Progress": ["0"],
        "inner - Progress": ["100"],
    }
    return BatchCase(one_batch(name, tree=collection(f"do-{name}", nodes)), cells)


@case("tree-object-as-text")
def _(name: str) -> BatchCase:
    by_type: dict[str, Any] = {"contentType": "Course", "visibility": "Default"}
    nodes = [
        collection("no", [leaf("a")], trackable='{"enabled": "No"}', **by_type),
        collection("false", [leaf("a", relationalMetadata='{"optional": true}')], trackable='{"enabled": false}'),
        collection("yes", [leaf("b")], trackable=' {"enabled": "YES"}\n', contentType="CourseUnit"),
        collection("silent", [leaf(f"do-{name}-a")], trackable="{}", **by_type),
    ]
    cells = {"Progress": ["50"], "yes - Level": ["3"], "silent - Level": ["4"]}
    return BatchCase(one_batch(name, tree=collection(f"do-{name}", nodes)), cells)


@case("tree-text-no-object")
def _(name: str) -> BatchCase:
    texts = ['{"K": V', '{"K": V} x', '{"K": V, "x": NaN}', '["K", V]', '"K"', "", '{"K": V, "x": ' + "[" * 5_000]
    trackable = [text.replace("K", "enabled").replace("V", '"No"') for text in texts]
    optional = [text.replace("K", "optional").replace("V", "true") for text in texts]
    nodes = [collection(f"n{n}", [leaf("a")], trackable=text) for n, text in enumerate(trackable)]
    nodes += [leaf(f"l{n}", relationalMetadata=text) for n, text in enumerate(optional)]
    nodes += [leaf(f"do-{name}-a")]
    levels = {f"n{n} - Level": [str(n + 1)] for n in range(len(texts))}
    # One of nine leaves: a, l0 to l6, and the one that is done.
    return BatchCase(one_batch(name, tree=collection(f"do-{name}", nodes)), {"Progress": ["11"], **levels})


@case("tree-level-too-long")
def _(name: str) -> BatchCase:
    places = [collection("again", [leaf(f"do-{name}-a")]) for _ in range(6_000)]
    whole = "; ".join(str(n) for n in range(1, 6_001))
    cells = {"Progress": ["100"], "again - Progress": ["100"], "again - Level": [whole[:31_999] + "…"]}
    return BatchCase(one_batch(name, tree=collection(f"do-{name}", places)), cells, counted=1)


@case("tree-trackable-not-an-object")
def _(name: str) -> BatchCase:
    nodes = [
        collection("by-type", [leaf("a")], trackable="No"),
        collection("by-type-too", [leaf("a")], trackable={"enabled": 0}),
        collection("unit", [leaf("a")], trackable=["Yes"], contentType="CourseUnit"),
        collection("part", [leaf("a")], trackable=None, visibility="Parent"),
        collection("last", [leaf("a")]),
    ]
    levels = {"by-type - Level": ["1"], "by-type-too - Level": ["2"], "last - Level": ["5"]}
    return BatchCase(one_batch(name, tree=collection(f"do-{name}", nodes)), levels)

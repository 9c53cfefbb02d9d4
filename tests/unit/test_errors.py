"""An error's sentence is made of its parts, whatever parts it has, and its parts survive copies and pickles."""

from __future__ import annotations

import copy
import doctest
import pickle
import re
from dataclasses import FrozenInstanceError

import pytest

from progress_exhaust import errors
from progress_exhaust.errors import (
    ComputeError,
    DataShapeError,
    Fault,
    OperatorError,
    OutputError,
    ProgressExhaustError,
    QueueError,
    Reason,
    RequestError,
    RowLockedError,
    SettingsError,
    SkippedReport,
    SourceError,
    Value,
    cause_of,
)

SHAPES = {
    "whole": (
        Fault("reading", "file a.parquet", got="column id is int", expected="string", remedy="mend the file"),
        "reading file a.parquet: column id is int, expected string; mend the file",
    ),
    "without remedy": (Fault("loading", "a.jsonl", got="it is gone"), "loading a.jsonl: it is gone"),
    "without object": (
        Fault("running the plan", got="no space left", remedy="free some"),
        "running the plan: no space left; free some",
    ),
    "of an object": (
        Fault(object='collection "do_1"', got="retired", expected="a live collection", remedy="leave it out"),
        'collection "do_1": retired, expected a live collection; leave it out',
    ),
    "finding alone": (Fault(got="searchFilter is 3", expected="an object"), "searchFilter is 3, expected an object"),
    "finding and remedy": (
        Fault(got="nothing is asked for", remedy="name batches"),
        "nothing is asked for; name batches",
    ),
    "expected alone": (
        Fault("submitting", expected="one thing", remedy="give --batch"),
        "submitting: expected one thing; give --batch",
    ),
    "value": (Fault("--watch", expected="seconds", got=Value("-1")), "--watch: expected seconds, got -1"),
    "value alone": (
        Fault("looking for", "Java 17", got=Value("JAVA_HOME: Java 11"), remedy="install one"),
        "looking for Java 17: got JAVA_HOME: Java 11; install one",
    ),
    "act alone": (Fault("the content service does not answer"), "the content service does not answer"),
    "several steps": (
        Fault("asking", "PostgreSQL", got="a; b: c, d", remedy="try e; or f"),
        "asking PostgreSQL: a; b: c, d; try e; or f",
    ),
    "nothing": (Fault(), ""),
}


@pytest.mark.parametrize(("fault", "sentence"), SHAPES.values(), ids=SHAPES)
def test_sentence_is_made_of_the_parts(fault: Fault, sentence: str) -> None:
    assert str(fault) == sentence
    error = ProgressExhaustError(
        fault.doing, object=fault.object, got=fault.got, expected=fault.expected, remedy=fault.remedy
    )
    assert str(error) == sentence
    assert error.fault == fault
    assert error.args == (sentence,)


@pytest.mark.parametrize(("fault", "sentence"), SHAPES.values(), ids=SHAPES)
def test_finding_and_remedy_make_the_same_sentence_of_another_error(fault: Fault, sentence: str) -> None:
    assert str(Fault(got=fault.finding, remedy=fault.remedy)) == sentence


def classes_below(kind: type[ProgressExhaustError]) -> set[type[ProgressExhaustError]]:
    below = {child for child in kind.__subclasses__() if child.__module__ == errors.__name__}
    return below.union(*(classes_below(child) for child in below))


CLASSES = {kind.__name__: kind for kind in classes_below(ProgressExhaustError)}


def test_drawing_shows_every_class_below_its_base() -> None:
    drawn: dict[str, str] = {}
    line_of_depth = {0: "ProgressExhaustError"}
    for branch, name in re.findall(r"^    ([│ ]*[├└]── )(\w+) ", errors.__doc__ or "", re.MULTILINE):
        depth = len(branch) // 4
        line_of_depth[depth] = name
        drawn[name] = line_of_depth[depth - 1]
    assert drawn == {name: kind.__bases__[0].__name__ for name, kind in CLASSES.items()}


ONE_OF_EACH = {
    "settings": SettingsError("--date", expected="a day", got=Value("x")),
    "several settings": SettingsError(faults=[Fault("a.b", got="no such setting"), Fault("c", got="too big")]),
    "request": RequestError(got="batchFilter is empty"),
    "skipped": SkippedReport(Reason.TASK_FAILED, "b-1", object='batch "b-1" is not made', got="its task failed"),
    "shape": DataShapeError("reading", object="table user", got="columns missing"),
    "service": OperatorError("starting Cassandra", got="it ended", transient=False),
    "source": SourceError("reading", object="table user", got="damaged", transient=False, is_local=True),
    "row locked": RowLockedError("cancelling", object="request r", got="someone else has its row", transient=True),
    "compute": ComputeError("running the plan", got="out of memory"),
}


@pytest.mark.parametrize("error", ONE_OF_EACH.values(), ids=ONE_OF_EACH)
@pytest.mark.parametrize("again", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))], ids=["copy", "pickle"])
def test_copy_has_the_parts_and_not_the_traceback(error: ProgressExhaustError, again: object) -> None:
    assert callable(again)
    try:
        raise error from None
    except ProgressExhaustError as raised:
        copied = again(raised)
    assert type(copied) is type(error)
    assert str(copied) == str(error)
    assert vars(copied) == vars(error)
    assert vars(copied) is not vars(error)
    assert copied.__traceback__ is None


def test_all_faults_of_settings_stand_each_on_its_line() -> None:
    faults = [Fault("catalogue.tries", got="too big", remedy="give less"), Fault("--date", expected="a day")]
    error = SettingsError(faults=faults)
    assert str(error) == "catalogue.tries: too big; give less\n--date: expected a day"
    assert error.faults == tuple(faults)
    assert SettingsError("--date", expected="a day").faults == (Fault("--date", expected="a day"),)


def test_whether_an_error_passes_is_told_by_its_class_and_by_who_raises_it() -> None:
    assert SourceError("connecting").transient
    assert not SourceError("connecting", transient=False).transient
    assert SourceError("connecting").transient
    assert OutputError("opening", transient=True).transient
    assert not SourceError("reading").is_local
    assert SourceError("reading", is_local=True).is_local
    assert isinstance(RowLockedError("cancelling"), QueueError)


def test_skipped_report_keeps_its_reason_and_its_subject() -> None:
    error = SkippedReport(Reason.BAD_ID, "é", object="id '\\xe9' is refused", expected="letters")
    assert (error.reason, error.subject) == (Reason.BAD_ID, "é")
    assert str(error) == "id '\\xe9' is refused: expected letters"


def test_fault_can_not_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Fault("reading").doing = "writing"  # type: ignore[misc]


def test_cause_that_has_no_words_is_told_by_its_class() -> None:
    assert cause_of(PermissionError(13, "Permission denied", "/secret")) == "Permission denied"
    assert cause_of(TimeoutError()) == "TimeoutError"


def test_examples() -> None:
    assert doctest.testmod(errors).failed == 0

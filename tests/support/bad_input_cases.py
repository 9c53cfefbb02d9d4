"""Bad input with an eye of its own: what there is to see beside a refusal, by the ids of the contract's table."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.reference import expected_reports
from tests.support.bad_batch_case import one_batch
from tests.support.bad_batches import CASES as BATCH_CASES
from tests.support.bad_batches import control
from tests.support.bad_batches_refused import UNSAFE_IDS
from tests.support.bad_input_runs import ESCAPED, GOLDEN, RULES, Runs, batches_of, sample_on_files, see_refused
from tests.support.bad_input_table import Rule
from tests.support.bad_input_tables import (
    see_ancient_timestamps,
    see_blank_lines,
    see_empty_folders,
    see_hidden_files,
    see_nanoseconds,
    see_optional_tables_missing,
    see_timestamps_without_seconds,
    see_unreadable_table,
    see_whole_floats,
)
from tests.support.command_line import (
    DAY,
    DAY_IN_NAME,
    Ended,
    export_arguments,
    manifest_below,
    reports_below,
    run,
)
from tests.support.sample_world import BATCH_ID
from tests.support.scripted_server import says
from tests.support.sick_service import WAYS, SickService
from tests.worlds import World, merge, write_catalogue, write_snapshot


def see_collection_without_batch(rule: Rule, runs: Runs) -> None:
    """See that collections without a batch are refused one by one, and ids of them that are unsafe."""
    world = control()
    folder = runs.folder / rule.case
    write_snapshot(world, folder / "snapshot")
    write_catalogue(world, folder / "catalogue")
    (folder / f"{ESCAPED}.json").write_text("{}", encoding="utf-8")
    named = [row["courseid"] for row in world.tables["course_batch"]]
    asked = [*named, "do-none", *UNSAFE_IDS]
    run = runs.run(world, folder, *(f"--collection={identifier}" for identifier in asked))
    assert run.ended.code == rule.code
    assert set(run.reports) == set(batches_of(world))
    assert re.fullmatch(rule.sentence, run.refusals()["do-none"]["why"])
    assert run.refusals().pop("do-none")["reason"] == rule.word
    assert {identifier: run.refusals()[identifier]["reason"] for identifier in UNSAFE_IDS} == dict.fromkeys(
        UNSAFE_IDS, RULES["id-unsafe"].word
    )


def see_batch_of_another_collection(rule: Rule, runs: Runs) -> None:
    """See that batches and collections together mean those batches of those collections."""
    ambiguous = BATCH_CASES["batch-ambiguous"]("twice")
    world = merge([control(), one_batch("other"), ambiguous.world])
    folder = runs.folder / rule.case
    write_snapshot(world, folder / "snapshot")
    write_catalogue(world, folder / "catalogue")
    # The reference knows nothing of collections named: of the batch that stands under two, it is shown the one.
    narrowed = [row for row in world.tables["course_batch"] if row["courseid"] != "do-twice-2"]
    seen = World({**world.tables, "course_batch": narrowed}, world.trees)
    asked = ["--batch", "control", "other", "twice", "--collection", "do-control", "do-twice"]
    run = runs.run(seen, folder, *asked)
    assert run.ended.code == rule.code
    assert set(run.reports) == {"control", "twice"}
    assert list(run.refusals()) == ["other"]
    assert run.refusals()["other"]["reason"] == rule.word
    assert re.fullmatch(rule.sentence, run.refusals()["other"]["why"])


def see_directory_as_target(rule: Rule, runs: Runs) -> None:
    """See that a directory in the place of a file costs that one batch, also where all are asked for."""
    world = merge([control(), one_batch("blocked")])
    folder = runs.folder / rule.case
    write_snapshot(world, folder / "snapshot")
    write_catalogue(world, folder / "catalogue")
    target = folder / "reports" / "progress-exhaust" / f"blocked_progress_{DAY_IN_NAME}.csv"
    target.mkdir(parents=True)
    run = runs.run(world, folder, "--all")
    assert run.ended.code == rule.code == rule.code_of_all
    assert set(run.reports) == set(batches_of(control()))
    assert run.refusals()["blocked"]["reason"] == rule.word
    assert re.fullmatch(rule.sentence, run.refusals()["blocked"]["why"])
    assert list(target.iterdir()) == []


def see_link_as_target(rule: Rule, runs: Runs) -> None:
    """See that a link in the place of a file is replaced by it, wherever it leads to."""
    world = merge([control(), one_batch("linked"), one_batch("dangling")])
    folder = runs.folder / rule.case
    write_snapshot(world, folder / "snapshot")
    write_catalogue(world, folder / "catalogue")
    (folder / "of-somebody").write_text("kept", encoding="utf-8")
    place = folder / "reports" / "progress-exhaust"
    place.mkdir(parents=True)
    for batch_id, target in (("linked", "of-somebody"), ("dangling", "gone")):
        (place / f"{batch_id}_progress_{DAY_IN_NAME}.csv").symlink_to(folder / target)
    run = runs.run(world, folder, "--all")
    assert run.ended.code == rule.code == rule.code_of_all
    assert set(run.reports) == set(batches_of(world))
    assert not any(path.is_symlink() for path in place.iterdir())


def see_strange_things_in_staging(rule: Rule, runs: Runs) -> None:
    """See that what others have put into the staging is left as it is, told of, and nobody's trouble."""
    folder = runs.folder / rule.case
    sample_on_files(folder)
    staging = folder / "reports" / "progress-exhaust" / ".staging"
    staging.mkdir(parents=True)
    (folder / "of-somebody").mkdir()
    (folder / "of-somebody" / "kept").write_text("kept", encoding="utf-8")
    runs_names = [f"20000101T000000Z-00000{number}" for number in range(6)]
    for name in ("stray", runs_names[0]):
        (staging / name).write_text("stray", encoding="utf-8")
    for name in ("stray-link", runs_names[1]):
        (staging / name).symlink_to(folder / "of-somebody")
    for name in ("stray-pipe", runs_names[2]):
        os.mkfifo(staging / name)
    for name in ("stray-folder", *runs_names[3:]):
        (staging / name).mkdir()
    (staging / runs_names[3] / "owner.json").mkdir()
    (staging / runs_names[4] / "owner.json").symlink_to(folder / "of-somebody" / "kept")
    os.mkfifo(staging / runs_names[5] / "owner.json")
    for path in staging.rglob("*"):
        os.utime(path, (0, 0), follow_symlinks=False)
    before = sorted(staging.rglob("*"))

    ended = runs.line.run(export_arguments(folder, "--all"))

    assert ended.code == rule.code
    assert (staging.parent / f"{BATCH_ID}_progress_{DAY_IN_NAME}.csv").read_bytes() == GOLDEN.read_bytes()
    assert sorted(staging.rglob("*")) == before
    assert (folder / "of-somebody" / "kept").read_text(encoding="utf-8") == "kept"
    assert [name for name in ("stray", *runs_names) if name not in ended.err] == []
    assert ended.errors() == []


def see_unreadable_trees(rule: Rule, runs: Runs) -> None:
    """See that files of trees that may not be read, and what else stands in their place, cost their own batches."""
    sick = ("forbidden", "directory", "pipe", "links")
    folder = runs.folder / rule.case
    world = merge([control(), *(one_batch(name) for name in sick)])
    write_snapshot(world, folder / "snapshot")
    write_catalogue(world, folder / "catalogue")
    forbidden, directory, pipe, links = (folder / "catalogue" / f"do-{name}.json" for name in sick)
    forbidden.chmod(0)
    for path in (directory, pipe, links):
        path.unlink()
    directory.mkdir()
    os.mkfifo(pipe)
    links.symlink_to(links)
    run = runs.line_of_anyone.run(export_arguments(folder, "--all"))
    see_trees_unavailable(rule, folder, run, sick)


def see_trees_not_given(rule: Rule, runs: Runs) -> None:
    """See that trees that a content service does not give, each in another way, cost their own batches."""
    sick = list(WAYS)[:3]
    folder = runs.folder / rule.case
    write_snapshot(merge([control(), *(one_batch(name) for name in sick)]), folder / "snapshot")
    write_catalogue(merge([control(), *(one_batch(name) for name in sick)]), folder / "catalogue")
    with SickService(folder / "catalogue", {f"do-{name}": WAYS[name][0] for name in sick}) as service:
        places = ["--snapshot", str(folder / "snapshot"), "--output", str(folder / "reports")]
        run = runs.line.run(["export", "--all", *places, "--date", DAY, "--json"], **service.variables())
    see_trees_unavailable(rule, folder, run, sick)


def see_trees_unavailable(rule: Rule, folder: Path, run: Ended, sick: Sequence[str]) -> None:
    assert run.code == rule.code == rule.code_of_all
    refusals = {refusal["id"]: refusal for refusal in manifest_below(folder / "reports")["not_made"]}
    assert set(refusals) == set(sick)
    for refusal in refusals.values():
        assert refusal["reason"] == rule.word
        assert re.fullmatch(rule.sentence, refusal["why"]), refusal["why"]
        assert refusal["why"] in run.err.splitlines()
    expected = expected_reports(control())
    assert reports_below(folder / "reports") == {name: report.content for name, report in expected.items()}
    assert "Traceback" not in run.err


def see_catalogue_away(rule: Rule, runs: Runs) -> None:
    """See that a content service that answers nobody ends the run."""
    folder = runs.folder / rule.case
    sample_on_files(folder)
    with SickService(folder / "catalogue", {}, outage=says(503)) as service:
        places = ["--snapshot", str(folder / "snapshot"), "--output", str(folder / "reports")]
        run = runs.line.run(["export", "--all", *places, "--date", DAY, "--json"], **service.variables())
    assert run.code == rule.code
    [sentence] = run.errors()
    assert re.fullmatch(rule.sentence, sentence), sentence
    assert reports_below(folder / "reports") == {}


def see_encryption_without_secret(rule: Rule, runs: Runs) -> None:
    """See that encryption that was asked for is not left out where the cluster has no secret."""
    folder = runs.folder / rule.case
    sample_on_files(folder)
    cluster: dict[str, Any] = {
        "PROGRESS_EXHAUST__SPARK__MASTER": "spark://127.0.0.1:1",
        "PROGRESS_EXHAUST__SPARK__ENCRYPTION": "on",
    }
    see_refused(rule, folder, run(export_arguments(folder, "--all"), **cluster))


OTHER_CASES = {
    "encryption-without-secret": see_encryption_without_secret,
    "catalogue-file-unreadable": see_unreadable_trees,
    "tree-not-given": see_trees_not_given,
    "catalogue-away": see_catalogue_away,
    "table-file-unreadable": see_unreadable_table,
    "table-optional-missing": see_optional_tables_missing,
    "table-folder-empty": see_empty_folders,
    "table-hidden-files": see_hidden_files,
    "lines-blank": see_blank_lines,
    "number-whole": see_whole_floats,
    "timestamp-without-seconds": see_timestamps_without_seconds,
    "parquet-timestamp-ancient": see_ancient_timestamps,
    "parquet-timestamp-nanoseconds": see_nanoseconds,
    "collection-without-batch": see_collection_without_batch,
    "batch-of-another-collection": see_batch_of_another_collection,
    "target-is-a-directory": see_directory_as_target,
    "target-is-a-link": see_link_as_target,
    "staging-strange-things": see_strange_things_in_staging,
}

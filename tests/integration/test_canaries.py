"""Secrets and personal data stay where they belong: nothing but the reports shows a learner, and nothing a secret."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pyspark
import pytest
from cassandra.cluster import Session

from progress_exhaust.stack.cassandra import CassandraNode
from progress_exhaust.stack.content_service import ContentService
from progress_exhaust.stack.driver import Login
from progress_exhaust.stack.ports import free_ports
from progress_exhaust.stack.schema import KEYSPACES
from tests.support.cassandra_runs import KeptWorld
from tests.support.sample_world import BATCH_ID, spec_sample_world
from tests.support.watching import Seen, leaks, watched
from tests.worlds import World

ROOT = Path(__file__).parents[2]
DAY_IN_NAME = "26_08_2020"
PASSWORD = "canary-password-Xq7Lm2"
WRONG_PASSWORD = "canary-wrong-password-Vb5Nt8"
TOKEN = "canary-token-Rw4Hs9"
NAMES = ("Canaryzebulon", "Canaryquentin")
EMAIL = "canary.learner@example.org"
PHONE = "+91-55501-99887"
LEARNER = "canary-learner-0042"
PERSONAL = (*NAMES, EMAIL, PHONE, LEARNER)
AT_ONCE_S = 120.0
"""Starting Spark on a busy machine takes most of it."""


def canary_world() -> World:
    """The sample, with a learner who is easily found, and whose every text says who it is."""
    world = spec_sample_world()
    first, second = world.tables["user_enrolments"]
    attempts = [{**row, "user_id": LEARNER} for row in world.tables["assessment_aggregator"][:1]]
    learner = {
        "id": LEARNER,
        "firstname": NAMES[0],
        "lastname": f"{NAMES[1]} {EMAIL}",
        "profilelocation": json.dumps([{"id": PHONE, "type": "state"}]),
        "locationids": [EMAIL],
        "profileusertypes": PHONE,
    }
    legacy = {**first, "userid": LEARNER, "enrolled_date": None, "enrolleddate": f"told by {EMAIL}"}
    tables = {
        **world.tables,
        "user": [*world.tables["user"], learner],
        "user_enrolments": [first, second, legacy],
        "assessment_aggregator": [*world.tables["assessment_aggregator"], *attempts],
    }
    return replace(world, tables=tables)


@dataclass(frozen=True)
class Rig:
    """What the command is run with.

    Attributes:
        kept: the world.
        jars: the connector's jars.
        java: the home of Java.
        login: a role that may read all tables; another one, `blind`, may not read the attempts.
        folder: for settings, event logs and temporary files.
    """

    kept: KeptWorld
    jars: Path
    java: Path
    login: Login
    folder: Path

    @property
    def trust_password(self) -> str:
        """The password of the trust store is a canary as it is: nobody else has it."""
        assert self.kept.node.certificate
        return self.kept.node.certificate.password

    def secrets(self) -> tuple[str, ...]:
        return (PASSWORD, WRONG_PASSWORD, TOKEN, self.trust_password)

    def environment(self, service: ContentService, output: Path, *, ui_port: int, **variables: str) -> dict[str, str]:
        """Settings as variables, all but the secrets; Spark's defaults turn the event log on."""
        assert self.kept.node.certificate
        spark_conf = output.with_suffix(".spark-conf")
        events = output.with_suffix(".events")
        temporary = output.with_suffix(".temporary")
        for folder in (spark_conf, events, temporary):
            folder.mkdir()
        (spark_conf / "spark-defaults.conf").write_text(
            f"spark.eventLog.enabled true\nspark.eventLog.dir {events.as_uri()}\nspark.ui.port {ui_port}\n",
            encoding="utf-8",
        )
        section = "PROGRESS_EXHAUST__"
        settings = {
            "SPARK__MASTER": "local[2,4]",
            "SPARK__DRIVER_MEMORY": "1g",
            "SPARK__UI": "true",
            "SPARK__CONNECTOR_JARS": str(self.jars),
            "CASSANDRA__HOSTS": self.kept.node.host,
            "CASSANDRA__PORT": str(self.kept.node.port),
            "CASSANDRA__USERNAME": self.login.username,
            "CASSANDRA__TLS": "true",
            "CASSANDRA__TRUST_STORE": str(self.kept.node.certificate.trust_store),
            "CATALOGUE__SEARCH_URL": service.search_url,
            "CATALOGUE__HIERARCHY_URL": service.hierarchy_url,
            "CERTIFICATES__FAILURES_TABLE": self.kept.name("certificate_failures"),
            "OUTPUT__URL": str(output),
            **{f"TABLES__{table.upper()}": self.kept.name(table) for table in self.kept.settings().tables.model_dump()},
        }
        ours = {name: value for name, value in os.environ.items() if not name.upper().startswith("PROGRESS_EXHAUST")}
        others = {"JAVA_HOME": str(self.java), "SPARK_CONF_DIR": str(spark_conf)}
        return ours | others | {f"{section}{name}": value for name, value in (settings | variables).items()}

    def secret_file(self, name: str, secret: str) -> str:
        file = self.folder / name
        file.write_text(f"{secret}\n", encoding="utf-8")
        file.chmod(0o600)
        return str(file)


@pytest.fixture(scope="module")
def rig(
    cassandra_node: CassandraNode,
    cassandra_session: Session,
    connector_jar_folder: Path,
    java: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Rig:
    kept = KeptWorld.load(
        cassandra_session, cassandra_node, canary_world(), tmp_path_factory.mktemp("canaries"), "canary"
    )
    for role in ("watched", "blind"):
        cassandra_session.execute(f"CREATE ROLE {role} WITH PASSWORD = '{PASSWORD}' AND LOGIN = true")
        for keyspace in kept.keyspaces.values():
            cassandra_session.execute(f"GRANT SELECT ON KEYSPACE {keyspace} TO {role}")
    courses = kept.keyspaces[KEYSPACES[0]]
    cassandra_session.execute(f"REVOKE SELECT ON KEYSPACE {courses} FROM blind")
    for table in ("user_enrolments", "user_activity_agg", "course_batch", "certificate_failures"):
        cassandra_session.execute(f"GRANT SELECT ON {courses}.{table} TO blind")
    login = Login("watched", PASSWORD)
    return Rig(kept, connector_jar_folder, java, login, tmp_path_factory.mktemp("canary-runs"))


def left_behind(output: Path) -> dict[str, bytes]:
    """Whatever a run has written, but for the reports."""
    places = {}
    for root in (output, output.with_suffix(".events"), output.with_suffix(".temporary")):
        for file in root.rglob("*"):
            if file.is_file() and file.suffix != ".csv":
                places[str(file)] = file.read_bytes()
    return places


def told(seen: Seen) -> list[str]:
    return [line for line in seen.err.decode().splitlines() if line]


def assert_was_watched(seen: Seen, output: Path) -> None:
    """See that there was something to look at, so that finding nothing means something."""
    assert any(b"java" in arguments and b"progress-exhaust" in arguments for arguments in seen.arguments)
    assert b"spark.cassandra.connection.host" in seen.pages["/api/v1/environment"]
    [events] = output.with_suffix(".events").iterdir()
    assert b"spark.cassandra.connection.host" in events.read_bytes()


def test_run_with_secrets_in_the_environment_shows_none_and_no_learner(rig: Rig) -> None:
    output, [ui_port] = rig.folder / "plain", free_ports(1)
    with ContentService(rig.kept.folder / "catalogue", token=TOKEN) as service:
        environment = rig.environment(
            service,
            output,
            ui_port=ui_port,
            CASSANDRA__PASSWORD=PASSWORD,
            CASSANDRA__TRUST_STORE_PASSWORD=rig.trust_password,
            CATALOGUE__TOKEN=TOKEN,
        )
        command = [sys.executable, "-m", "progress_exhaust", "export", "--all", "--date", "2020-08-26"]
        command += ["--json", "--log-format", "json"]
        seen = watched(command, environment, output, output.with_suffix(".temporary"), ui_port=ui_port)

    assert (seen.code, told(seen)[-1][:8]) == (0, '{"at": "'), seen.err.decode()[-2000:]
    assert_was_watched(seen, output)
    report = output / "progress-exhaust" / f"{BATCH_ID}_progress_{DAY_IN_NAME}.csv"
    assert all(canary.encode() in report.read_bytes() for canary in (*NAMES, EMAIL, LEARNER))
    places = seen.everything() | left_behind(output)
    assert any("manifest_" in place for place in places)
    assert leaks((*rig.secrets(), *PERSONAL), places) == []
    files = [path for path in (output / "progress-exhaust").iterdir() if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o640}
    staging = {folder: mode for folder, mode in seen.modes.items() if Path(folder).parent.name == ".staging"}
    assert set(staging.values()) == {0o700}


def test_failing_run_under_spark_submit_with_debug_shows_no_secret_and_no_learner(rig: Rig) -> None:
    output, [ui_port] = rig.folder / "submitted", free_ports(1)
    spark_home = Path(pyspark.__file__).parent
    with ContentService(rig.kept.folder / "catalogue", token=TOKEN) as service:
        environment = rig.environment(
            service,
            output,
            ui_port=ui_port,
            CASSANDRA__USERNAME="blind",
            CASSANDRA__PASSWORD_FILE=rig.secret_file("password", PASSWORD),
            CASSANDRA__TRUST_STORE_PASSWORD_FILE=rig.secret_file("trust", rig.trust_password),
            CATALOGUE__TOKEN_FILE=rig.secret_file("token", TOKEN),
        )
        environment |= {"SPARK_HOME": str(spark_home), "PYSPARK_PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}
        command = [str(spark_home / "bin" / "spark-submit"), "--master", "local[2,4]", "--driver-memory", "1g"]
        command += ["--jars", ",".join(map(str, sorted(rig.jars.glob("*.jar"))))]
        command += ["--conf", "spark.driver.host=127.0.0.1", "--conf", "spark.driver.bindAddress=127.0.0.1"]
        command += [str(ROOT / "jobs" / "run_progress_exhaust.py"), "export", "--all", "--debug"]
        seen = watched(command, environment, output, output.with_suffix(".temporary"), ui_port=ui_port)

    assert seen.code == 1
    # spark-submit gives what Python writes to stderr to its own stdout.
    [error] = [line for line in seen.out.decode().splitlines() if line.startswith("error: ")]
    assert error.startswith("error: reading table canary_sunbird_courses.assessment_aggregator from Cassandra at ")
    assert b"Traceback" in seen.out
    assert_was_watched(seen, output)
    assert leaks((*rig.secrets(), *PERSONAL), seen.everything() | left_behind(output)) == []
    assert not [path for path in output.rglob("*") if path.is_file()]


def test_wrong_password_is_one_sentence_and_code_1(rig: Rig) -> None:
    output, [ui_port] = rig.folder / "refused", free_ports(1)
    with ContentService(rig.kept.folder / "catalogue", token=TOKEN) as service:
        environment = rig.environment(
            service,
            output,
            ui_port=ui_port,
            CASSANDRA__PASSWORD=WRONG_PASSWORD,
            CASSANDRA__TRUST_STORE_PASSWORD=rig.trust_password,
            CATALOGUE__TOKEN=TOKEN,
        )
        command = [sys.executable, "-m", "progress_exhaust", "export", "--batch", BATCH_ID]
        seen = watched(command, environment, output, output.with_suffix(".temporary"))

    assert seen.code == 1
    assert [line for line in told(seen) if line.startswith("error: ")] == [
        f"error: connecting to Cassandra at 127.0.0.1 port {rig.kept.node.port}: the role or its password was refused; "
        "check cassandra.username and cassandra.password"
    ]
    assert seen.seconds < AT_ONCE_S
    assert leaks(rig.secrets(), seen.everything() | left_behind(output)) == []
    assert not [path for path in output.rglob("*") if path.is_file()]


def test_canary_is_found_in_each_of_its_forms() -> None:
    places = {
        "plain": f"x{PASSWORD}y".encode(),
        "hex": PASSWORD.encode().hex().encode(),
        "base64": b"Basic Y2FuYXJ5LXBhc3N3b3JkLVhxN0xtMg==",
        "base64 after a name": b"d2F0OmNhbmFyeS1wYXNzd29yZC1YcTdMbTI7",
        "another": b"canary-password-Xq7Lm3",
    }
    assert [leak.rpartition(" in ")[2] for leak in leaks([PASSWORD], places)] == [
        "plain",
        "hex",
        "base64",
        "base64 after a name",
    ]

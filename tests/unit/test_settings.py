"""Settings: who wins, what is refused, and that all faults come at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from progress_exhaust.errors import SettingsError
from progress_exhaust.settings.load import load, parse_date, secret_keys
from progress_exhaust.settings.sections import Settings, SourceKind

SECRETS = [
    ("cassandra", "password"),
    ("cassandra", "trust_store_password"),
    ("cassandra", "key_store_password"),
    ("catalogue", "token"),
    ("queue", "password"),
]


def variable(section: str, key: str) -> str:
    return f"PROGRESS_EXHAUST__{section.upper()}__{key.upper()}"


def toml(folder: Path, text: str) -> Path:
    file = folder / "settings.toml"
    file.write_text(text, encoding="utf-8")
    return file


def faults(file: Path | None = None, environment: dict[str, str] | None = None, **overrides: Any) -> list[str]:
    with pytest.raises(SettingsError) as error:
        load(file, environment or {}, overrides)
    assert error.value.exit_code == 2
    return str(error.value).splitlines()


def test_nothing_given_gives_the_defaults() -> None:
    assert load(None, {}, {}) == Settings()


def test_file_wins_over_default(tmp_path: Path) -> None:
    settings = load(toml(tmp_path, '[report]\ntime_zone = "Asia/Kolkata"'), {}, {})
    assert settings.zone().key == "Asia/Kolkata"


def test_environment_wins_over_file_and_leaves_its_neighbours(tmp_path: Path) -> None:
    file = toml(tmp_path, '[output]\nurl = "/from/file"\npublish_threads = 3')
    settings = load(file, {variable("output", "url"): "/from/environment"}, {})
    assert (settings.output.url, settings.output.publish_threads) == ("/from/environment", 3)


def test_command_line_wins_over_environment() -> None:
    environment = {variable("output", "url"): "/from/environment"}
    assert load(None, environment, {"output": {"url": "/from/line"}}).output.url == "/from/line"


def test_variables_may_be_in_small_letters_and_others_are_not_ours() -> None:
    settings = load(None, {"progress_exhaust__spark__ui": "true", "PROGRESS_EXHAUST_CONFIG": "x", "HOME": "/"}, {})
    assert settings.spark.ui is True


def test_list_in_the_environment_has_commas() -> None:
    assert load(None, {variable("cassandra", "hosts"): "a, b,c"}, {}).cassandra.hosts == ("a", "b", "c")


def test_all_faults_come_at_once_each_on_its_line(tmp_path: Path) -> None:
    file = toml(
        tmp_path,
        """
        [catalogue]
        tries = 0
        token = "x"
        [cassandra]
        porrt = 9042
        [report]
        time_zone = "Mars/Base"
        [nowhere]
        x = 1
        """,
    )
    environment = {variable("output", "file_name"): "{date}.csv", "PROGRESS_EXHAUST__OUTPUT__NO_SUCH": "1"}
    found = faults(file, environment, spark={"driver_memory": "lots"})
    expected = [
        "catalogue.token: a secret may not stand in settings.toml; "
        "set PROGRESS_EXHAUST__CATALOGUE__TOKEN or token_file",
        "PROGRESS_EXHAUST__OUTPUT__NO_SUCH: no such setting; expected PROGRESS_EXHAUST__<SECTION>__<KEY>",
        "cassandra.porrt: no such setting",
        "catalogue.tries: Input should be greater than 0",
        'report.time_zone: expected a zone like Asia/Kolkata, got "Mars/Base"',
        'output.file_name: expected letters, digits, _ . - with {batch_id} and perhaps {date}, got "{date}.csv"',
        "spark.driver_memory: String should match pattern '^\\d+[mg]$'",
        "nowhere: no such setting",
    ]
    assert sorted(found) == sorted(expected)


def test_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "none.toml"
    assert faults(missing) == [
        f"reading settings from {missing}: No such file or directory; give --config an existing file"
    ]


@pytest.mark.parametrize("content", [b"[report", b"\xff\xfe", b"report = 1\nreport = 2"])
def test_file_that_is_not_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "bad.toml"
    file.write_bytes(content)
    [fault] = faults(file)
    assert fault.startswith(f"reading settings from {file}: not TOML")


def test_section_that_is_no_table_is_refused(tmp_path: Path) -> None:
    assert faults(toml(tmp_path, "report = 1"))[0].startswith("report: ")


def test_every_secret_is_known_as_one() -> None:
    assert sorted(secret_keys()) == sorted(SECRETS)


@pytest.mark.parametrize(("section", "key"), SECRETS)
def test_secret_in_the_file_is_refused_and_not_repeated(tmp_path: Path, section: str, key: str) -> None:
    [fault] = faults(toml(tmp_path, f'[{section}]\n{key} = "CANARY"'))
    assert fault.startswith(f"{section}.{key}: a secret may not stand in")
    assert "CANARY" not in fault


@pytest.mark.parametrize(("section", "key"), SECRETS)
def test_secret_comes_from_the_environment_or_from_a_file(tmp_path: Path, section: str, key: str) -> None:
    file = tmp_path / "secret"
    file.write_text("CANARY two \n", encoding="utf-8")
    from_file = load(None, {variable(section, f"{key}_file"): str(file)}, {})
    from_environment = load(None, {variable(section, key): "CANARY one", variable(section, f"{key}_file"): "/no"}, {})
    values = [getattr(getattr(settings, section), key).get_secret_value() for settings in (from_environment, from_file)]
    assert values == ["CANARY one", "CANARY two "]
    assert "CANARY" not in repr(from_file) + from_file.model_dump_json()


def test_secret_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "none"
    [fault] = faults(None, {variable("catalogue", "token_file"): str(missing)})
    assert fault == f"catalogue.token_file: {missing} can not be read: No such file or directory"


@pytest.mark.rule("S3")
@pytest.mark.parametrize(
    ("sections", "sentence"),
    [
        ({"source": {"kind": "snapshot"}}, "source.snapshot_dir: kind is snapshot, so a folder is needed"),
        ({"catalogue": {"kind": "files"}}, "catalogue.directory: kind is files, so a folder is needed"),
        ({"tables": {"user": "user"}}, 'tables.user: expected <keyspace>.<table>, got "user"'),
        ({"tables": {"user": 'a.b"; DROP'}}, "tables.user: expected <keyspace>.<table>, got"),
        ({"certificates": {"failures_table": "x"}}, "certificates.failures_table: expected <keyspace>.<table>"),
        ({"report": {"profile": "lern"}}, "report.profile: "),
        ({"report": {"time_zone": "../../etc/passwd"}}, "report.time_zone: expected a zone like Asia/Kolkata"),
        ({"cassandra": {"consistency": "quorum"}}, "cassandra.consistency: "),
        ({"cassandra": {"hosts": []}}, "cassandra.hosts: "),
        ({"output": {"file_name": "{batch_id}/{date}.csv"}}, "output.file_name: "),
        ({"output": {"file_name": "{batch_id!r}.csv"}}, "output.file_name: "),
        ({"output": {"file_name": "{batch_id}"}}, "output.file_name: expected a name that no batch makes manifest"),
        ({"output": {"file_name": "{batch_id}.json"}}, "output.file_name: expected a name that no batch makes manif"),
        ({"catalogue": {"search_chunk": 101}}, "catalogue.search_chunk: "),
        ({"queue": {"dsn": "host=db password"}}, "queue.dsn: libpq does not take it; expected e.g. host=db"),
        ({"queue": {"dsn": "host='db"}}, "queue.dsn: libpq does not take it"),
        ({"queue": {"dsn": "host=db nonsense=1"}}, "queue.dsn: libpq does not take it"),
        ({"queue": {"table": "a.b.c"}}, "queue.table: expected a table, or <schema>.<table>"),
        ({"queue": {"table": 'job"; DROP'}}, "queue.table: expected a table, or <schema>.<table>"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_value_out_of_its_bounds_is_refused(sections: dict[str, Any], sentence: str) -> None:
    [fault] = faults(None, {}, **sections)
    assert fault.startswith(sentence)


@pytest.mark.parametrize(
    "dsn",
    [
        "host=db password=CANARY",
        "password = 'CANARY two' host=db",
        r"host='it\'s' password=CANARY",
        "user=o'neil password=CANARY",
        "host=db sslkey=k sslpassword=CANARY",
        "postgresql://someone:CANARY@db/sunbird",
        "postgres://someone:CANARY@db/sunbird?application_name=ours",
        "postgresql://db/sunbird?sslmode=require&pass%77ord=CANARY",
    ],
)
def test_secret_in_a_connection_string_is_refused_and_not_repeated(dsn: str) -> None:
    [fault] = faults(None, {}, queue={"dsn": dsn})
    assert fault.startswith("queue.dsn: a secret (")
    assert fault.endswith("set PROGRESS_EXHAUST__QUEUE__PASSWORD or password_file")
    assert "CANARY" not in fault


@pytest.mark.parametrize("dsn", ["host=db PASSWORD=CANARY", "host=db password= CANARY x", "postgresql://a:CANARY%@db"])
def test_connection_string_that_libpq_does_not_take_is_not_repeated(dsn: str) -> None:
    assert faults(None, {}, queue={"dsn": dsn}) == [
        "queue.dsn: libpq does not take it; expected e.g. host=db dbname=sunbird"
    ]


@pytest.mark.parametrize(
    "dsn",
    [
        "",
        "host=db dbname=sunbird sslmode=verify-full",
        "host='a b' application_name='password=x' passfile=/run/pass",
        r"host=a\ b,c port=5432,5433",
        "postgresql://someone@db:5432/sunbird?sslmode=require",
        "postgresql:///sunbird?host=/run/postgresql",
        "postgres://someone:@db/sunbird",
    ],
)
def test_connection_string_without_a_secret_is_taken_as_it_is(dsn: str) -> None:
    assert load(None, {}, {"queue": {"dsn": dsn}}).queue.dsn == dsn


def test_snapshot_in_the_environment_needs_no_file() -> None:
    environment = {variable("source", "kind"): "snapshot", variable("source", "snapshot_dir"): "/data"}
    assert load(None, environment, {}).source.kind is SourceKind.SNAPSHOT


def test_settings_do_not_change_after_the_start() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().output.url = "/elsewhere"  # type: ignore[misc]


def test_own_environment_gives_settings() -> None:
    assert load(None, os.environ, {"output": {"url": "/data"}}).output.url == "/data"


@pytest.mark.parametrize(
    "text", ["2024-02-30", "2024-1-01", "20240101", "", "today", "2024-01-01T00:00", "２024-01-01"]
)
def test_day_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="--date: expected a day as YYYY-MM-DD"):
        parse_date(text)


def test_day_is_read() -> None:
    assert parse_date("2024-02-29").isoformat() == "2024-02-29"


@pytest.mark.parametrize(
    ("dsn", "role"),
    [
        ("host=db user=reports dbname=sunbird", "reports"),
        (r"user = 'a \'b\\c' host=db", r"a 'b\c"),
        ("host=db", ""),
        ("", ""),
        ("postgresql://re%20ports@db/sunbird", "re ports"),
        ("postgresql://db/sunbird?user=reports&sslmode=require", "reports"),
        ("postgresql://db/sunbird", ""),
    ],
)
def test_role_is_that_of_the_connection_string(dsn: str, role: str) -> None:
    assert load(None, {}, {"queue": {"dsn": dsn}}).queue.role == role


@pytest.mark.parametrize(
    "prefix", ["", "reports", "a/b/", "https://account.example/container", "s3a://bucket/é", "https://h:1/x"]
)
def test_prefix_of_urls_is_a_url_or_a_path(prefix: str) -> None:
    assert load(None, {}, {"requests": {"url_prefix": prefix}}).requests.url_prefix == prefix


@pytest.mark.parametrize(
    "prefix", ["a b", "a\nb", "https://u:hidden-word@host/x", "https://h/x?sig=hidden-word", "x#y", "a/../b", "a\\b"]
)
def test_prefix_of_urls_that_may_hold_a_secret_or_leads_elsewhere_is_refused_and_not_repeated(prefix: str) -> None:
    [fault] = faults(requests={"url_prefix": prefix})
    assert fault == (
        "requests.url_prefix: expected a URL or a path without blanks, login, query or .., got another text"
    )

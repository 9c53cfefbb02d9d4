"""Where Spark's processes encrypt, by the cluster and what is known of it."""

from __future__ import annotations

from typing import Literal

import pytest

from progress_exhaust.errors import SettingsError
from progress_exhaust.spark.encryption import AUTHENTICATE, OPTIONS, SECRET, encryption_of

SECRET_KNOWN = {SECRET: "hidden-word"}
SERVICE = {"spark.shuffle.service.enabled": "true"}
REFUSED = {AUTHENTICATE: "false"}
AGREED = {AUTHENTICATE: "true"}
STANDALONE = "spark://one:7077,two:7077"


@pytest.mark.rule("P5")
@pytest.mark.parametrize(
    ("choice", "master", "configuration", "is_on"),
    [
        ("auto", "local", {}, True),
        ("auto", "local[*]", {}, True),
        ("auto", "local[2,4]", {}, True),
        ("auto", "local[2,4]", REFUSED, False),
        ("on", "local[2,4]", REFUSED, True),
        ("off", "local[2,4]", {}, False),
        ("off", STANDALONE, SECRET_KNOWN, False),
        ("auto", "local-cluster[2,1,1024]", {}, True),
        ("auto", "yarn", {}, True),
        ("auto", "yarn", SERVICE, False),
        ("auto", "yarn", SERVICE | AGREED, True),
        ("on", "yarn", SERVICE, True),
        ("auto", "k8s://https://host:443", {}, True),
        ("auto", STANDALONE, {}, False),
        ("auto", STANDALONE, SECRET_KNOWN, True),
        ("auto", STANDALONE, SECRET_KNOWN | REFUSED, False),
        ("on", STANDALONE, SECRET_KNOWN, True),
        ("auto", "another-cluster", {}, False),
    ],
)
def test_encryption_is_on_where_a_secret_is_known_to_all(
    choice: Literal["auto", "on", "off"], master: str, configuration: dict[str, str], is_on: bool
) -> None:
    given = {"spark.master": master, **configuration}
    encryption = encryption_of(choice, given)
    assert encryption.is_on is is_on
    assert encryption.is_forced is (choice == "on")
    assert encryption.needs_secret is master.startswith("local-cluster")
    assert encryption.why.startswith("on: " if is_on else "off: ")
    assert bool(encryption.remedy) is not is_on
    assert "hidden-word" not in encryption.why + encryption.remedy
    # What it is decided to be is what the configuration it then runs with says.
    running = given | (dict.fromkeys(OPTIONS, "true") if is_on else {})
    running |= SECRET_KNOWN if encryption.needs_secret else {}
    assert encryption_of(choice, running).is_on is is_on


@pytest.mark.rule("P5")
def test_encryption_that_is_asked_for_and_can_not_be_is_a_fault_of_the_settings() -> None:
    with pytest.raises(SettingsError) as caught:
        encryption_of("on", {"spark.master": STANDALONE})
    assert str(caught.value) == (
        f"starting Spark with master {STANDALONE}: spark.encryption is on, and there is no spark.authenticate.secret; "
        "give master, workers and Spark's configuration here one spark.authenticate.secret "
        "(in a file that only we can read), or set spark.encryption = auto"
    )

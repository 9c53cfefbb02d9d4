"""Whether Spark's processes prove who they are to each other, and encrypt what they say and what they write to disk.

For that they need a secret that all of them know. In local mode there is one process, which makes one; YARN and
Kubernetes hand one out; a standalone cluster knows only what it was configured with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from progress_exhaust.errors import SettingsError

AUTHENTICATE = "spark.authenticate"
SECRET = "spark.authenticate.secret"
OPTIONS = (AUTHENTICATE, "spark.network.crypto.enabled", "spark.io.encryption.enabled")
"""What is set to true: the second is for what goes over the network, the third for what goes to disk."""

_SHUFFLE_SERVICE = "spark.shuffle.service.enabled"


@dataclass(frozen=True)
class Encryption:
    """What is decided.

    Attributes:
        is_on: whether it is on.
        why: in words.
        remedy: what would turn it on; empty where it is on.
        is_forced: whether it is on whatever Spark's own configuration says.
        needs_secret: whether nobody makes a secret, and it falls to us.
    """

    is_on: bool
    why: str
    remedy: str = ""
    is_forced: bool = False
    needs_secret: bool = False


def encryption_of(choice: Literal["auto", "on", "off"], configuration: Mapping[str, str]) -> Encryption:
    """Decide; the answer is the same before Spark starts and for the configuration it runs with.

    Args:
        choice: the setting `spark.encryption`.
        configuration: Spark's, by whomever it was set.

    Raises:
        SettingsError: it is to be on, and there is no secret.

    >>> encryption_of("auto", {"spark.master": "local[2]"}).is_on
    True
    >>> encryption_of("auto", {"spark.master": "spark://host:7077"}).is_on
    False
    """
    master = configuration.get("spark.master", "")
    is_forced = choice == "on"
    if choice == "off":
        return Encryption(False, "off: the setting spark.encryption is off", "set spark.encryption = auto")
    if not is_forced and configuration.get(AUTHENTICATE, "").lower() == "false":
        why = f"off: Spark's configuration has {AUTHENTICATE} false"
        return Encryption(False, why, f"remove it, or set {AUTHENTICATE} true")
    if master == "local" or master.startswith("local["):
        return Encryption(True, "on: in local mode Spark makes a secret of its own", is_forced=is_forced)
    if master.startswith("local-cluster["):
        needs_secret = SECRET not in configuration
        return Encryption(True, "on: with a secret for this run", is_forced=is_forced, needs_secret=needs_secret)
    if master.startswith("k8s"):
        return Encryption(True, "on: Kubernetes hands out the secret", is_forced=is_forced)
    if master == "yarn":
        return _on_yarn(configuration, is_forced=is_forced)
    if SECRET in configuration:
        return Encryption(True, f"on: with the secret of {SECRET}", is_forced=is_forced)
    remedy = f"give master, workers and Spark's configuration here one {SECRET} (in a file that only we can read)"
    if is_forced:
        raise SettingsError(
            "starting",
            object=f"Spark with master {master}",
            got=f"spark.encryption is on, and there is no {SECRET}",
            remedy=f"{remedy}, or set spark.encryption = auto",
        )
    return Encryption(False, f"off: the cluster has no secret that we know, {SECRET} is not set", remedy)


def _on_yarn(configuration: Mapping[str, str], *, is_forced: bool) -> Encryption:
    """Decide for YARN, whose shuffle service turns away whoever authenticates where it does not itself."""
    has_service = configuration.get(_SHUFFLE_SERVICE, "").lower() == "true"
    if has_service and not is_forced and AUTHENTICATE not in configuration:
        why = "off: YARN's shuffle service may not authenticate, and would turn us away"
        return Encryption(False, why, f"set {AUTHENTICATE} true for the node managers, and spark.encryption = on")
    return Encryption(True, "on: YARN hands out the secret", is_forced=is_forced)

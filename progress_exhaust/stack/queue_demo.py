"""Starts and stops the PostgreSQL server of a demo, with an empty table of requests in it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from progress_exhaust.errors import SettingsError
from progress_exhaust.stack.locked import locked
from progress_exhaust.stack.postgres import PostgresServer

_SETTINGS = """# Written by progress_exhaust.stack; the server runs on this machine until it is stopped.
[queue]
dsn = {dsn}
password_file = {password_file}
"""
_OF_A_SERVER = frozenset({"home", "password", "server", "server.log", "server.pid"})
"""What a server has in its folder; of one that was stopped, its log stays."""


def start_queue(state: Path) -> Iterator[str]:
    """Start the server on a new database, write its settings file, and tell each step in a line.

    Args:
        state: folder of the server's data, log and password, and of `progress_exhaust.toml`.

    Raises:
        OperatorError: the server does not start.
        SettingsError: the folder holds other things.
    """
    folder = state.absolute() / "postgres"
    with locked(state), ExitStack() as undo:
        list(_stop(folder))
        if folder.exists():
            if {entry.name for entry in folder.iterdir()} - _OF_A_SERVER:
                raise SettingsError(
                    "starting",
                    object=f"PostgreSQL in {folder}",
                    got="it holds other things",
                    remedy="give another --state",
                )
            shutil.rmtree(folder)
        server = PostgresServer(folder, die_with_parent=False)
        undo.callback(server.remove)
        server.start()
        server.create_queue()
        settings_file = state.absolute() / "progress_exhaust.toml"
        settings_file.write_text(
            _SETTINGS.format(dsn=json.dumps(server.dsn()), password_file=json.dumps(str(folder / "password"))),
            encoding="utf-8",
        )
        undo.pop_all()
        yield f"PostgreSQL answers on port {server.port}, with an empty queue; settings: {settings_file}"


def stop_queue(state: Path) -> Iterator[str]:
    """End the server, remove its data, and tell so."""
    if not state.is_dir():
        yield f"nothing runs in {state}"
        return
    with locked(state):
        yield from list(_stop(state.absolute() / "postgres")) or [f"nothing runs in {state}"]


def _stop(folder: Path) -> Iterator[str]:
    if not (folder / "password").is_file():
        return
    server = PostgresServer(folder, die_with_parent=False)
    if process := server.process:
        yield f"stopped PostgreSQL (process {process.pid})"
    server.remove()

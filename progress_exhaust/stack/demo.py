"""Starts and stops the services of a demo: a node with a snapshot in it, and a content service over a catalogue."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

from pyspark.sql import SparkSession

from progress_exhaust.errors import OperatorError, SettingsError
from progress_exhaust.java import java_home
from progress_exhaust.settings.sections import SparkSettings
from progress_exhaust.stack import processes
from progress_exhaust.stack.cassandra import CassandraNode
from progress_exhaust.stack.content_service import HIERARCHY_PATH, SEARCH_PATH
from progress_exhaust.stack.driver import DATACENTER
from progress_exhaust.stack.jars import cache_folder, cassandra_jars, connector_jars
from progress_exhaust.stack.locked import locked
from progress_exhaust.stack.schema import create_schema
from progress_exhaust.stack.snapshot_loader import holds_parquet, load_snapshot

_START_S = 30.0
_STOP_S = 30.0
_POLL_S = 0.05
_SETTINGS = """# Written by progress_exhaust.stack; the services run on this machine until they are stopped.
[source]
kind = "cassandra"

[cassandra]
hosts = [{host}]
port = {port}
local_datacenter = {datacenter}

[catalogue]
kind = "http"
search_url = {search_url}
hierarchy_url = {hierarchy_url}

[spark]
connector_jars = {connector_jars}
"""


@dataclass(frozen=True)
class Demo:
    """What to serve, and where to keep state.

    Attributes:
        state: folder of the services' data, logs and process ids, and of `progress_exhaust.toml`.
        snapshot: the tables.
        catalogue: the answers of the content service.
    """

    state: Path
    snapshot: Path
    catalogue: Path


def start_demo(
    demo: Demo, environment: Mapping[str, str], open_spark: Callable[[Path], AbstractContextManager[SparkSession]]
) -> Iterator[str]:
    """Start both services, load the snapshot, and write the settings file; tell each step in a line.

    Services that both run are left as they are. What was started is stopped again where a later step fails.

    Args:
        demo: what to serve.
        environment: variables for Java and the services.
        open_spark: opens a session with the Java at the given home; called for a snapshot in Parquet.

    Raises:
        OperatorError: a service does not start.
        SettingsError: a folder is missing, or the state folder is not ours.
    """
    for folder in (demo.snapshot, demo.catalogue):
        if not folder.is_dir():
            raise SettingsError(
                "starting",
                object="the stack",
                got=f"{folder} is not a folder",
                remedy="make one with progress-exhaust sample-data",
            )
    settings_file = demo.state.absolute() / "progress_exhaust.toml"
    with locked(demo.state), ExitStack() as undo:
        if all(processes.running_process(pid_file) for pid_file in _pid_files(demo.state).values()):
            yield f"the stack runs already; its settings are in {settings_file}"
            return
        yield from _stop(demo.state)
        java = java_home(environment)
        yield "fetching jars, where the cache has none yet (a minute or two)"
        cache = cache_folder(environment)
        connector = connector_jars(SparkSettings().connector_package, cache=cache, java=java, environment=environment)
        node = CassandraNode(
            _emptied_folder(demo.state / "cassandra"),
            jars=cassandra_jars(cache=cache, java=java, environment=environment),
            java=java,
            environment=environment,
            die_with_parent=False,
        )
        undo.callback(node.stop)
        yield "starting Cassandra"
        node.start()
        yield f"loading {demo.snapshot}"
        with ExitStack() as stack:
            session = stack.enter_context(node.session())
            spark = stack.enter_context(open_spark(java)) if holds_parquet(demo.snapshot) else None
            create_schema(session)
            loaded = load_snapshot(session, demo.snapshot, spark=spark)
        yield from (f"  {table}: {rows} rows" for table, rows in loaded.items())
        content_port = _start_content_service(demo, environment)
        address = f"http://{node.host}:{content_port}"
        settings_file.write_text(
            _SETTINGS.format(
                host=json.dumps(node.host),
                port=node.port,
                datacenter=json.dumps(DATACENTER),
                search_url=json.dumps(address + SEARCH_PATH),
                hierarchy_url=json.dumps(address + HIERARCHY_PATH),
                connector_jars=json.dumps(str(connector)),
            ),
            encoding="utf-8",
        )
        undo.pop_all()
        yield f"Cassandra answers on port {node.port}, the content service on {content_port}; settings: {settings_file}"


def stop_demo(state: Path) -> Iterator[str]:
    """End the services that run, and tell which; nothing else with the same process id is touched."""
    if not state.is_dir():
        yield f"nothing runs in {state}"
        return
    with locked(state):
        stopped = list(_stop(state))
        yield from stopped or [f"nothing runs in {state}"]


def _stop(state: Path) -> Iterator[str]:
    for name, pid_file in _pid_files(state).items():
        if process := processes.running_process(pid_file):
            process.stop(_STOP_S)
            yield f"stopped {name} (process {process.pid})"
        pid_file.unlink(missing_ok=True)


def _pid_files(state: Path) -> dict[str, Path]:
    return {"Cassandra": state / "cassandra" / "node.pid", "the content service": state / "content_service.pid"}


def _start_content_service(demo: Demo, environment: Mapping[str, str]) -> int:
    port_file = demo.state / "content_service.port"
    log = demo.state / "content_service.log"
    port_file.unlink(missing_ok=True)
    process = processes.start(
        [
            *(sys.executable, "-m", "progress_exhaust.stack.content_service"),
            *("--directory", str(demo.catalogue.absolute()), "--port", "0", "--port-file", str(port_file)),
        ],
        log=log,
        pid_file=demo.state / "content_service.pid",
        environment=environment,
        die_with_parent=False,
    )
    try:
        processes.wait_until_ready(process, port_file.exists, what="the content service", within_s=_START_S, log=log)
    except OperatorError:
        process.kill()
        raise
    return int(port_file.read_text(encoding="ascii"))


def _emptied_folder(folder: Path) -> Path:
    """Return the node's folder without what an earlier demo left in it; a folder that is not a node's is kept."""
    if folder.exists():
        if not (folder / "cassandra.yaml").is_file():
            raise SettingsError(
                "starting",
                object=f"Cassandra in {folder}",
                got="it holds other things",
                remedy="give another --state folder",
            )
        shutil.rmtree(folder)
    return folder

"""What a Cassandra node on loopback is started with: its settings and its Java command line."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from progress_exhaust.stack.ports import HOST

# The modules that Cassandra 5.0 reaches into on Java 17; without them it ends at once with exit code 3.
_EXPORTED = (
    *("java.base/java.lang.ref", "java.base/jdk.internal.misc", "java.sql/java.sql", "jdk.unsupported/sun.misc"),
    *("java.management.rmi/com.sun.jmx.remote.internal.rmi", "java.rmi/sun.rmi.registry", "java.rmi/sun.rmi.server"),
)
_OPENED = (
    *("java.io", "java.lang", "java.lang.module", "java.lang.reflect", "java.nio", "java.util", "sun.nio.ch"),
    *("jdk.internal.loader", "jdk.internal.math", "jdk.internal.module", "jdk.internal.ref", "jdk.internal.reflect"),
    "jdk.internal.util.jar",
)
_PROPERTIES = {
    "cassandra-foreground": "yes",
    # A cluster of one has nobody to wait for.
    "cassandra.skip_wait_for_gossip_to_settle": "0",
    "cassandra.ring_delay_ms": "0",
    "cassandra.superuser_setup_delay_ms": "0",
    # The connector cuts a table by a system table that is else filled each five minutes.
    "cassandra.size_recorder_interval": "10",
    "io.netty.tryReflectionSetAccessible": "true",
}


def node_settings(
    port: int, storage_port: int, *, with_login: bool, client_tls: Mapping[str, Any] | None, more: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the content of `cassandra.yaml`; folders are given by the command line.

    Args:
        port: of the native transport.
        storage_port: for other nodes, of which there are none.
        with_login: ask for roles and passwords, and check rights.
        client_tls: the section `client_encryption_options`.
        more: settings that win over all others.
    """
    settings: dict[str, Any] = {
        "cluster_name": "progress-exhaust",
        "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner",
        "num_tokens": 1,
        "listen_address": HOST,
        "rpc_address": HOST,
        "native_transport_port": port,
        "storage_port": storage_port,
        "endpoint_snitch": "SimpleSnitch",
        "seed_provider": [
            {
                "class_name": "org.apache.cassandra.locator.SimpleSeedProvider",
                "parameters": [{"seeds": f"{HOST}:{storage_port}"}],
            }
        ],
        # A killed node loses what it took in the last period; the default is ten seconds. To sync before each answer
        # would hold one write thread a row, and loading would take many times as long.
        "commitlog_sync": "periodic",
        "commitlog_sync_period": "200ms",
        # Machines that build and test are often busy.
        "read_request_timeout": "30s",
        "range_request_timeout": "30s",
        "write_request_timeout": "30s",
        "commitlog_segment_size": "8MiB",
        "auto_snapshot": False,
        "cdc_enabled": False,
        "hinted_handoff_enabled": False,
        # All partitions are on one node, so rows are loaded by batches across partitions.
        "batch_size_warn_threshold": "4MiB",
        "batch_size_fail_threshold": "8MiB",
        "unlogged_batch_across_partitions_warn_threshold": 1000,
    }
    if with_login:
        settings |= {
            "authenticator": "PasswordAuthenticator",
            "authorizer": "CassandraAuthorizer",
            "role_manager": "CassandraRoleManager",
        }
    if client_tls:
        settings["client_encryption_options"] = dict(client_tls)
    return settings | dict(more)


def java_command(java: Path, jars: Path, folder: Path, config: Path, heap: str) -> list[str]:
    """Return the command line of a node.

    Args:
        java: home of a Java 17.
        jars: folder with Cassandra's jars.
        folder: the node's own folder.
        config: its `cassandra.yaml`.
        heap: most memory for objects.
    """
    properties = _PROPERTIES | {
        "cassandra.config": config.absolute().as_uri(),
        "cassandra.storagedir": str(folder / "data"),
        "logback.configurationFile": str(resources.files("progress_exhaust.stack") / "logback.xml"),
        "java.io.tmpdir": str(folder / "tmp"),
    }
    return [
        str(java / "bin" / "java"),
        *(f"--add-exports={module}=ALL-UNNAMED" for module in _EXPORTED),
        *(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENED),
        "--add-opens=jdk.management/com.sun.management.internal=ALL-UNNAMED",
        *(f"-D{name}={value}" for name, value in properties.items()),
        *(f"-Xmx{heap}", "-XX:-UsePerfData", "-XX:+ExitOnOutOfMemoryError"),
        *("-cp", f"{jars}/*"),
        "org.apache.cassandra.service.CassandraDaemon",
    ]

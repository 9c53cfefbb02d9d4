"""An S3 server on loopback, what a client of ours needs for it, and a look into its bucket from outside."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from moto.server import ThreadedMotoServer
from pyspark.sql import SparkSession

from progress_exhaust.java import java_home
from progress_exhaust.stack.jars import cache_folder, connector_jars
from tests.support.s3_proxy import S3Proxy
from tests.support.services import require_or_skip

HADOOP_AWS = "org.apache.hadoop:hadoop-aws:3.3.4"
ACCESS_KEY = "AKIAOFTHETESTS000000"
SECRET_KEY = "secret/of+the/tests0000000000000000000000"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": ACCESS_KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    "AWS_EC2_METADATA_DISABLED": "true",
}

_numbers = itertools.count()


class S3:
    """A store behind a proxy.

    Attributes:
        proxy: between the store and its clients.
    """

    def __init__(self, server_port: int, proxy: S3Proxy) -> None:
        self.proxy = proxy
        self._client: Any = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{server_port}",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}),
        )

    def new_bucket(self) -> str:
        """Make an empty bucket; return its name. All servers of a process have the same buckets."""
        name = f"bucket-{next(_numbers)}"
        self._client.create_bucket(Bucket=name)
        return name

    def read(self, bucket: str, key: str) -> bytes | None:
        """Return what an object holds, None where there is none; past the proxy."""
        try:
            return bytes(self._client.get_object(Bucket=bucket, Key=key)["Body"].read())
        except self._client.exceptions.NoSuchKey:
            return None

    def write(self, bucket: str, key: str, content: bytes) -> None:
        """Write an object, past the proxy."""
        self._client.put_object(Bucket=bucket, Key=key, Body=content)

    def objects(self, bucket: str) -> dict[str, bytes]:
        """Return all that a bucket has."""
        keys = [one["Key"] for one in self._client.list_objects_v2(Bucket=bucket).get("Contents", [])]
        return {key: self.read(bucket, key) or b"" for key in keys}

    def unfinished_uploads(self, bucket: str) -> int:
        """Return how many uploads of several parts are neither finished nor aborted."""
        return len(self._client.list_multipart_uploads(Bucket=bucket).get("Uploads", []))

    def options(self) -> dict[str, str]:
        """Return the options by which Hadoop finds the store, which name no secret."""
        return {
            "spark.hadoop.fs.s3a.endpoint": self.proxy.url,
            "spark.hadoop.fs.s3a.endpoint.region": "us-east-1",
            "spark.hadoop.fs.s3a.path.style.access": "true",
            "spark.hadoop.fs.s3a.connection.ssl.enabled": "false",
        }


@contextmanager
def s3_server() -> Iterator[S3]:
    """Run a server, with a proxy before it."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        _, port = server.get_host_and_port()
        with S3Proxy(port) as proxy:
            yield S3(port, proxy)
    finally:
        server.stop()


def s3_jars() -> Path:
    """Return the folder of jars that Hadoop reads s3a by."""
    with require_or_skip("hadoop-aws"):
        java = java_home(os.environ)
        return connector_jars(HADOOP_AWS, cache=cache_folder(os.environ), java=java, environment=os.environ)


def write_spark_defaults(folder: Path, options: dict[str, str]) -> Path:
    """Write the options of Spark's own file, with s3a's classes in its JVM; return the folder of it."""
    # A class path, not `spark.jars`: that would copy 280 MB for each run.
    lines = {**options, "spark.driver.extraClassPath": f"{s3_jars()}/*"}
    text = "".join(f"{name} {value}\n" for name, value in lines.items())
    (folder / "spark-defaults.conf").write_text(text, encoding="utf-8")
    return folder


@contextmanager
def s3_classes(spark: SparkSession, s3: S3) -> Iterator[None]:
    """Let Hadoop in a running JVM find s3a's classes and the store, for a while.

    Other tests of that JVM see to what happens without them.
    """
    jvm: Any = spark._jvm
    hadoop: Any = spark._jsc.hadoopConfiguration()
    options = {
        **{name.removeprefix("spark.hadoop."): value for name, value in s3.options().items()},
        "fs.s3a.access.key": ACCESS_KEY,
        "fs.s3a.secret.key": SECRET_KEY,
        # As many tries as in a run, but with shorter waits between them.
        "fs.s3a.retry.interval": "20ms",
        "fs.s3a.retry.throttle.interval": "20ms",
    }
    limits = {name: hadoop.get(name) for name in options if "retry" in name}
    jars = sorted(s3_jars().glob("*.jar"))
    urls = jvm.java.lang.reflect.Array.newInstance(jvm.java.lang.Class.forName("java.net.URL"), len(jars))
    for number, jar in enumerate(jars):
        urls[number] = jvm.java.io.File(str(jar)).toURI().toURL()
    before = hadoop.getClassLoader()
    hadoop.setClassLoader(jvm.java.net.URLClassLoader(urls, before))
    for name, value in options.items():
        hadoop.set(name, value)
    try:
        yield
    finally:
        jvm.org.apache.hadoop.fs.FileSystem.closeAll()
        hadoop.setClassLoader(before)
        for name in options:
            hadoop.unset(name)
        for name, value in limits.items():
            hadoop.set(name, value)

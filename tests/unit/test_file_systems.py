"""A file system without its classes is told with the jar that brings them, in the words of real failures."""

from __future__ import annotations

import pytest

from progress_exhaust.file_systems import missing_file_system

NOT_FOUND = "java.lang.RuntimeException: java.lang.ClassNotFoundException: Class org.apache.hadoop.fs.{} not found"
NO_SCHEME = 'org.apache.hadoop.fs.UnsupportedFileSystemException: No FileSystem for scheme "{}"'


@pytest.mark.parametrize(
    ("error", "url", "jar"),
    [
        (NOT_FOUND.format("s3a.S3AFileSystem"), "s3a://bucket/reports", "org.apache.hadoop:hadoop-aws:3.3.4"),
        (
            "java.lang.NoClassDefFoundError: com/amazonaws/auth/AWSCredentialsProvider",
            "s3a://bucket/reports",
            "org.apache.hadoop:hadoop-aws:3.3.4",
        ),
        (
            NOT_FOUND.format("azurebfs.SecureAzureBlobFileSystem"),
            "abfss://container@account.dfs.core.windows.net/reports",
            "org.apache.hadoop:hadoop-azure:3.3.4",
        ),
        (
            NOT_FOUND.format("azurebfs.AzureBlobFileSystem"),
            "abfs://c@a/reports",
            "org.apache.hadoop:hadoop-azure:3.3.4",
        ),
        (NOT_FOUND.format("azure.NativeAzureFileSystem"), "wasb://c@a/reports", "org.apache.hadoop:hadoop-azure:3.3.4"),
        (NOT_FOUND.format("adl.AdlFileSystem"), "adl://a/reports", "org.apache.hadoop:hadoop-azure-datalake:3.3.4"),
        (NO_SCHEME.format("oss"), "oss://bucket/reports", "org.apache.hadoop:hadoop-aliyun:3.3.4"),
        (NO_SCHEME.format("gs"), "GS://bucket", "com.google.cloud.bigdataoss:gcs-connector for Hadoop 3.3.4"),
    ],
    ids=["s3a", "SDK below s3a", "abfss", "abfs", "wasb", "adl", "oss", "gs"],
)
def test_jar_is_named_with_the_version_of_hadoop(error: str, url: str, jar: str) -> None:
    scheme = url.partition("://")[0].lower()
    assert str(missing_file_system(error, url, "3.3.4")) == (
        f"Spark lacks the classes for {scheme}://; submit with --packages or --jars that bring {jar}"
    )


@pytest.mark.parametrize("scheme", ["s3", "s3n"])
def test_scheme_that_hadoop_has_given_up_is_told_with_its_successor(scheme: str) -> None:
    told = missing_file_system(NO_SCHEME.format(scheme), f"{scheme}://bucket/reports", "3.3.4")
    assert str(told) == f"Hadoop 3.3.4 has no file system for {scheme}://; write s3a://"


def test_scheme_that_nobody_knows_is_told() -> None:
    told = missing_file_system(NO_SCHEME.format("gopher"), "gopher://host/reports", "3.4.1")
    assert str(told) == (
        "Hadoop 3.4.1 has no file system for gopher://; check the URL, or submit with --jars that bring one"
    )


@pytest.mark.parametrize(
    "error",
    [
        "java.net.ConnectException: Connection refused",
        "org.apache.hadoop.security.AccessControlException: Permission denied: user=ops",
        "java.nio.file.AccessDeniedException: bucket: forbidden",
        "",
    ],
)
def test_other_errors_are_not_its_fault(error: str) -> None:
    assert missing_file_system(error, "s3a://bucket/reports", "3.3.4") is None

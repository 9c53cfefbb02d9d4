"""Which jar is missing where Hadoop has no class for the file system of a URL."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from progress_exhaust.errors import Fault
from progress_exhaust.paths import scheme_of

if TYPE_CHECKING:
    from py4j.protocol import Py4JJavaError

_ARTEFACTS = {
    "s3a": "org.apache.hadoop:hadoop-aws:{hadoop}",
    "abfs": "org.apache.hadoop:hadoop-azure:{hadoop}",
    "abfss": "org.apache.hadoop:hadoop-azure:{hadoop}",
    "wasb": "org.apache.hadoop:hadoop-azure:{hadoop}",
    "wasbs": "org.apache.hadoop:hadoop-azure:{hadoop}",
    "adl": "org.apache.hadoop:hadoop-azure-datalake:{hadoop}",
    "oss": "org.apache.hadoop:hadoop-aliyun:{hadoop}",
    "gs": "com.google.cloud.bigdataoss:gcs-connector for Hadoop {hadoop}",
}
_SUCCESSORS = {"s3": "s3a", "s3n": "s3a"}
_NO_CLASS = ("ClassNotFoundException", "NoClassDefFoundError", "No FileSystem for scheme")


def missing_file_system(error_text: str, url: str, hadoop_version: str) -> Fault | None:
    """Return what is missing and the next step; None where the error is another.

    A class may also be missing halfway, such as one of the AWS SDK below that of `s3a`: what brings the one, brings the
    other.

    Args:
        error_text: what Hadoop said when it was to open the file system, with its causes.
        url: of what was to be opened.
        hadoop_version: of the Hadoop in use; the jars must be of the same.
    """
    if not any(words in error_text for words in _NO_CLASS):
        return None
    scheme = scheme_of(url) or url
    if successor := _SUCCESSORS.get(scheme):
        return Fault(got=_without(scheme, hadoop_version), remedy=f"write {successor}://")
    artefact = _ARTEFACTS.get(scheme)
    if artefact is None:
        remedy = "check the URL, or submit with --jars that bring one"
        return Fault(got=_without(scheme, hadoop_version), remedy=remedy)
    return Fault(
        got=f"Spark lacks the classes for {scheme}://",
        remedy=f"submit with --packages or --jars that bring {artefact.format(hadoop=hadoop_version)}",
    )


def _without(scheme: str, hadoop_version: str) -> str:
    return f"Hadoop {hadoop_version} has no file system for {scheme}://"


def missing_in(jvm: Any, error: Py4JJavaError, url: str) -> Fault | None:
    """Return the same for a failure of Hadoop's in this JVM."""
    version = str(jvm.org.apache.hadoop.util.VersionInfo.getVersion())
    return missing_file_system(str(error.java_exception), url, version)


def first_line(error: Py4JJavaError) -> str:
    """Return what a failure of Hadoop's says, without its trace."""
    return str(error.java_exception).splitlines()[0]


_MOST_CHARACTERS = 300
_CLASS = re.compile(r"(?:[a-z][a-z0-9]*\.)+([A-Z]\w*)(?:: |$)")
_DETAILS = re.compile(r" \(Service: .*|;? For more details see: .*")
_TWICE = re.compile(r"(.+): \1")


def clause_of(text: str) -> str:
    """Return what went wrong in a store's own words, of a failure that each layer has wrapped in its own.

    >>> clause_of(
    ...     "java.nio.file.AccessDeniedException: s3a://b/x: getFileStatus on s3a://b/x: "
    ...     "com.amazonaws.services.s3.model.AmazonS3Exception: Access Denied (Service: Amazon S3; Status Code: 403)"
    ... )
    'Access Denied'
    >>> clause_of("java.nio.file.AccessDeniedException: /reports")
    'AccessDeniedException: /reports'
    """
    line = next(iter(text.splitlines()), "")
    classes = list(_CLASS.finditer(line))
    if not classes:
        return line[:_MOST_CHARACTERS]
    innermost = classes[-1]
    clause = _DETAILS.sub("", line[innermost.end() :]).strip()
    if twice := _TWICE.fullmatch(clause):
        clause = twice[1]
    # One word says too little by itself: it is a path, mostly, and what is wrong with that is told by the class.
    told = clause if " " in clause else ": ".join(filter(None, (innermost[1], clause)))
    return told[:_MOST_CHARACTERS]

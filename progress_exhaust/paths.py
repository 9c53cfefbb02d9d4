"""Where a run's files are, below the output root, and what a URL means; known also to what never loads Spark.

One rule for all URLs: what stands before the first colon is the scheme, in any case; every character of a path stands
for itself, as Hadoop takes it, and is never decoded. What libpq's connection strings hold is for the settings to tell.
"""

from __future__ import annotations

import os.path
import re
from pathlib import Path

from progress_exhaust.errors import Fault, Value, WrongValue

ROOT = "progress-exhaust"
STAGING = f"{ROOT}/.staging"

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_HOST = re.compile(rf"{_SCHEME.pattern}//[^/]*")
_GLOB = re.compile(r"[\\{}\[\]*?]")
_IN_NAMES = re.compile(r"[\\{}\[\]*?,^]")


def scheme_of(url: str) -> str:
    """Return the scheme of a URL in lower case; empty where it is a plain path.

    >>> scheme_of("S3A://bucket/out"), scheme_of("/data/a:b"), scheme_of("./a:b")
    ('s3a', '', '')
    """
    scheme = _SCHEME.match(url)
    return scheme[1].lower() if scheme else ""


def file_url(path: Path) -> str:
    """Return the URL of a file or folder of this machine, as Hadoop reads it, to whom `%20` is no blank.

    >>> file_url(Path("/data/a b%20"))
    'file:///data/a b%20'
    """
    return f"file://{path}"


def local_folder(url: str) -> Path | None:
    """Return the folder of this machine that an output URL names; None where Hadoop alone knows the place.

    Every character of a path stands for itself, as Hadoop takes it: `%`, `#` and `?` too. Where a link stands before
    `..`, which Hadoop would cut from the text together with the link, the folder is the one that the system finds.

    >>> local_folder("file:///data/out#1?x=50%"), local_folder("/data/out")
    (PosixPath('/data/out#1?x=50%'), PosixPath('/data/out'))
    >>> local_folder("hdfs://nodes/out") is None
    True

    Raises:
        WrongValue: it is no such URL; the text says what one looks like.
    """
    scheme = _SCHEME.match(url)
    if scheme is None:
        return _without_dots(Path(url).absolute())
    path = url[scheme.end() :]
    if not path.startswith("/"):
        expected = (
            "a folder (with ./ in front where its name has a colon), or a URL such as file:///folder or "
            "hdfs://host/folder"
        )
        raise WrongValue(Fault(expected=expected, got=Value(f'"{url}"')))
    if scheme[1].lower() != "file":
        return None
    if path.startswith("//"):
        host, _, path = path[2:].partition("/")
        if host not in ("", "localhost"):
            expected = "file:///folder, a folder of this machine"
            raise WrongValue(Fault(expected=expected, got=Value(f'"{url}"')))
    return _without_dots(Path("/" + path.lstrip("/")))


def as_glob(url: str) -> str:
    r"""Return a URL as Spark must be given it to read it: there, unlike where it writes, `[a]` would stand for `a`.

    The host of a URL is no pattern.

    >>> print(as_glob("file:///out[1]?"), as_glob("hdfs://[::1]:8020/out*"))
    file:///out\[1\]\? hdfs://[::1]:8020/out\*
    """
    host = _HOST.match(url)
    begin = host.end() if host else 0
    return url[:begin] + _GLOB.sub(r"\\\g<0>", url[begin:])


def name_pattern(name: str) -> str:
    r"""Return the pattern that one file name matches, also as one of several in braces.

    >>> print(name_pattern("part-0[1],a.jsonl"))
    part-0\[1\]\,a.jsonl
    """
    return _IN_NAMES.sub(r"\\\g<0>", name)


def _without_dots(folder: Path) -> Path:
    return Path(os.path.realpath(folder)) if ".." in folder.parts else folder

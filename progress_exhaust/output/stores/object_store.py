"""The output place in an object store, where an upload is one step and nothing else is: S3, ABFS, GS and the like."""

from __future__ import annotations

from collections.abc import Iterable
from secrets import token_hex

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from progress_exhaust.output.stores.failures import told
from progress_exhaust.output.stores.hadoop_files import HadoopFiles
from progress_exhaust.output.stores.port import Store, write_probe
from progress_exhaust.paths import scheme_of

_WITH_MARKERS = "s3a"
"""The file system that leaves an empty object for each folder whose last object goes."""
_ABORTABLE = "fs.capability.outputstream.abortable"


class ObjectStore(HadoopFiles):
    """The store of uploads: a file appears by one upload of a draft, over an older one; it is never moved or copied.

    What Spark stages lies on this machine as long as Spark's tasks run here; else it must lie where all of its machines
    see it, in the object store itself.
    """

    def __init__(self, root: str, spark: SparkSession) -> None:
        super().__init__(root, spark)
        self._is_staged_here = str(spark.sparkContext.master).partition("[")[0] == "local"
        self._has_markers = scheme_of(root) == _WITH_MARKERS

    @property
    def staging(self) -> Store:
        """A folder of this machine, where Spark runs here alone."""
        return self.drafts if self._is_staged_here else self

    def make_private_directory(self, path: str) -> None:
        """Do nothing: who may read what is for the bucket to say, and a folder is there as soon as a file is."""

    def write_text(self, path: str, lines: Iterable[str]) -> int:
        """Upload the text as a draft."""
        draft = f"{token_hex(8)}.text"
        size_bytes = self.drafts.write_text(draft, lines)
        self._upload(draft, path, "writing")
        return size_bytes

    def publish(self, draft: str, target: str) -> None:
        """Upload the draft; where that fails half-way, the upload is given up and nothing appears."""
        self._upload(draft, target, "publishing")

    def remove(self, path: str) -> None:
        """Remove the tree, and the empty objects that stand for the folders it leaves empty."""
        super().remove(path)
        if self._has_markers:
            self._remove_markers(path)

    def check(self) -> None:
        """Upload and remove a probe."""
        write_probe(self)

    def _upload(self, draft: str, target: str, doing: str) -> None:
        """Upload a draft at the end of its stream; where its bytes do not get so far, nothing is uploaded."""
        local = self.drafts.place(draft)
        with told(doing, self.url(target)):
            source = self._jvm.java.io.FileInputStream(str(local))
            try:
                stream = self._files.create(self._path(target), True)  # an error where a directory stands in its place
                try:
                    self._jvm.org.apache.commons.io.IOUtils.copyLarge(source, stream)
                except Py4JJavaError:
                    if stream.hasCapability(_ABORTABLE):  # else it ends as it can: by its end nothing is made known
                        stream.abort()
                    raise
                finally:
                    stream.close()
            finally:
                source.close()
        self.drafts.remove(draft)

    def _remove_markers(self, path: str) -> None:
        folder = path
        while folder:
            folder = folder.rpartition("/")[0]
            if not folder and self._path("").isRoot():
                return
            try:
                is_removed = self._files.delete(self._path(folder), False)
            except Py4JJavaError:
                return  # it holds something, and so do those above it
            if not is_removed:
                return

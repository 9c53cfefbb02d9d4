"""An independent reading of the contract in plain Python: obviously right before it is fast.

Nothing here knows the package under test; acceptance tests compare its files with these byte by byte.
"""

from tests.reference.report import ExpectedReport, expected_reports

__all__ = ["ExpectedReport", "expected_reports"]

"""The settings that shape what stands in the files, as a manifest tells them."""

from __future__ import annotations

from datetime import date

from progress_exhaust.settings.sections import Settings, SourceKind


def content_fingerprint(settings: Settings, day: date) -> dict[str, object]:
    """Return them by name, with the date in the files' names."""
    fingerprint: dict[str, object] = {
        "date": day.isoformat(),
        "source.kind": settings.source.kind.value,
        "report.profile": settings.report.profile,
        "report.time_zone": settings.report.time_zone,
        "privacy.user_name": settings.privacy.user_name,
        "assessment.question_set_categories": list(settings.assessment.question_set_categories),
        "output.file_name": settings.output.file_name,
        "output.formula_guard": settings.output.formula_guard,
        "output.bom": settings.output.bom,
        "certificates.failures_table": settings.certificates.failures_table,
    }
    if settings.source.kind is SourceKind.CASSANDRA:
        fingerprint["cassandra.consistency"] = settings.cassandra.consistency
    return fingerprint | {f"tables.{key}": name for key, name in settings.tables.model_dump().items()}

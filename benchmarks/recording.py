"""One file for all that is said of speed, `benchmarks/results/speed.json`; each measurement keeps a part of it.

A ratio is our time divided by that of what we are compared with, both measured in turn on the same machine: below 1 we
are quicker. Seconds depend on the machine and on what else it does; ratios hardly do.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
SPEED = RESULTS / "speed.json"
RATIOS = (
    *("duckdb", "scan", "baseline", "cassandra_scan", "cassandra_one_batch", "cold_start"),
    *("encryption", "encryption_cold", "small_reports"),
)
"""All ratios there are, in the order they are told."""


def record(part: str, figures: Mapping[str, Any], ratios: Mapping[str, float], file: Path = SPEED) -> None:
    """Put what was measured in place of what the same part said before; other parts stay.

    Args:
        part: which measurement it is.
        figures: what it came to, as JSON takes it.
        ratios: those of `RATIOS` that it measures.
        file: where it is kept.

    Raises:
        ValueError: nobody knows a ratio of that name, or it is another part's.
    """
    parts: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["parts"] if file.exists() else {}
    taken = {name for other, content in parts.items() if other != part for name in content["ratios"]}
    if unfit := sorted(ratios.keys() - RATIOS | ratios.keys() & taken):
        raise ValueError(f"recording {part}: {', '.join(unfit)}: not in RATIOS, or measured by another part")
    parts[part] = {
        "measured_at_commit": _commit(),
        "measured_on": datetime.now(UTC).date().isoformat(),
        "cores": os.cpu_count(),
        "ratios": {name: round(value, 3) for name, value in ratios.items()},
        **figures,
    }
    known = {name: value for content in parts.values() for name, value in content["ratios"].items()}
    speed = {"ratios": {name: known[name] for name in RATIOS if name in known}, "parts": dict(sorted(parts.items()))}
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(speed, indent=2) + "\n", encoding="utf-8")


def _commit() -> str:
    """Return the commit of this checkout, marked where files of it have changed since; empty outside of one."""
    asked = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--exclude=*"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.strip()

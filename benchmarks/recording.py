"""Puts the figures of a benchmark into `benchmarks/results/speed.json`, beside those of the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RESULT = Path(__file__).parent / "results" / "speed.json"


def record(part: str, figures: dict[str, Any], ratios: dict[str, float]) -> None:
    """Merge what one benchmark has measured into the result.

    Args:
        part: the name of the benchmark; its earlier figures are replaced.
        figures: all that it has measured.
        ratios: those that a bar is set for, by names that no other benchmark uses.
    """
    result = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    result = {
        "ratios": {**result.get("ratios", {}), **ratios},
        "parts": {**result.get("parts", {}), part: figures},
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2, sort_keys=True) + "\n", encoding="utf-8")

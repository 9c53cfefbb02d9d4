"""Where a run's files are, below the output root; known also to what never loads Spark."""

ROOT = "progress-exhaust"
STAGING = f"{ROOT}/.staging"

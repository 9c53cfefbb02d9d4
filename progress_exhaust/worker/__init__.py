"""Works off the request queue."""

"""From a validated description to a plan: pure, deterministic, without I/O."""

"""May a region be disturbed now? At most one per group at a time, and never the last healthy one (law 1)."""

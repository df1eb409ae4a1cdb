"""A small Azure on loopback: a world with state, a clock and faults as data, and one HTTP face per service."""

"""The hosts that regions take their packages from: watched, compared, chosen, rotated before a restart needs it."""

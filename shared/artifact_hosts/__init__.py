"""Where the regions' packages come from: watched, compared, chosen, and rotated before a restart needs it."""

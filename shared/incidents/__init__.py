"""Incidents: know them, classify them, tell people, remember. One per group, matter and region."""

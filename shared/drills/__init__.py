"""Drills: take a region out of DNS on purpose, measure what devices would notice, and put it back."""

"""Proof: years of faults in minutes, deaths at every effect, and planted bugs that must be caught. Never deployed.

`world` and `observer` know what is really so and nothing of the product; `ports` lends the world to the product;
`cast` wakes the product's own handlers up, as Azure and people do. `play` is one run of one seed.
"""

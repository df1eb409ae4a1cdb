"""The budgets of the design, measured as counts or as ratios within one run."""

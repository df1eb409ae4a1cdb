"""The outside world in dictionaries, one file per seam, for workflow tests and the contract suites."""

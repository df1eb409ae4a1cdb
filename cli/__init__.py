"""The operator's command line: the same workflows, called by hand."""

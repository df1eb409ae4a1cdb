"""Outside JSON to signals, one file per sender. Pure; outside JSON may have fields that nobody here knows."""

"""Keep the settings of a group's regions in step: three-way merge, soak, one merged write, verify, undo."""

"""One round over a group: observe once, then let each slice decide and do. Shared by all handlers and the CLI."""

"""What is deployed and how: templates, roles, the package. Never deployed itself."""

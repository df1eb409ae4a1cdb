"""The product: slices of decisions and workflows, and the adapters to the world. See docs/architecture.md."""

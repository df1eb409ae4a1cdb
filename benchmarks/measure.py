"""What a benchmark returns: named figures, each with its budget when the design sets one."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One measured figure: a count or a ratio within one run, never a time alone."""

    name: str  # machine-readable: letters, digits, dots and dashes
    value: float
    unit: str
    budget: float | None = None  # at most

    @property
    def kept(self) -> bool:
        """Return whether the figure keeps its budget; one without a budget always does."""
        return self.budget is None or self.value <= self.budget

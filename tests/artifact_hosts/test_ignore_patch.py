"""What Terraform is told."""

from shared.artifact_hosts.ignore_patch import REASON, SNIPPET, text


def test_all_but_the_snippet_is_a_comment() -> None:
    """It can be pasted as it is: why, the block, and where it goes when the app comes from a module."""
    before, between, after = text().partition(SNIPPET)
    assert between
    assert before.replace("# ", "").strip() == REASON.strip()
    assert "module" in after
    lines = [*before.splitlines(), *after.splitlines()]
    assert [line for line in lines if not line.startswith("# ")] == ["", ""]

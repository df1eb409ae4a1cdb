"""Dying at any effect changes nothing in the end. `python -m proof crashes` dies at every one; here at some."""

import pytest

from proof.crashes import ELSEWHERE, STORIES, Effects, Story, deaths, written_down

SHARE = 25  # of so many effects, one


@pytest.mark.parametrize("story", STORIES, ids=lambda it: it.name)
def test_dying_changes_nothing_in_the_end(story: Story) -> None:
    """Before or after the effect, the laws hold, and all ends as without."""
    found = list(deaths(story, share=SHARE))
    assert isinstance(found[0], Effects)
    assert len(found[0].names) > SHARE
    assert [str(it) for it in found[1:]] == []


def test_the_stories_reach_every_effect_that_the_code_has() -> None:
    """Whoever adds an effect adds a story that reaches it, or says where else dying there is tested."""
    reached = set(ELSEWHERE)
    for story in STORIES:
        effects = Effects()
        story.play(effects)
        reached |= effects.reached
    assert written_down() - reached == set()

from pathlib import Path

import pytest

from simulator.stage import configuration
from simulator.stage.configuration import HostConfig


def test_no_host_json_means_the_platforms_defaults(tmp_path: Path) -> None:
    """Without a file the defaults hold."""
    assert configuration.host_config(tmp_path) == HostConfig()


def test_host_json_is_read(tmp_path: Path) -> None:
    """The route prefix and the queue options come from the file."""
    (tmp_path / "host.json").write_text(
        '{"version": "2.0", "extensions": {"http": {"routePrefix": ""}, "queues": {"batchSize": 1,'
        ' "maxDequeueCount": 3, "visibilityTimeout": "00:01:30", "messageEncoding": "none"}}}'
    )
    assert configuration.host_config(tmp_path) == HostConfig(
        route_prefix="", queue_batch=1, queue_max_dequeue=3, queue_retry_after=90.0, queue_base64=False
    )


@pytest.mark.parametrize("text", ["[]", "{", '{"extensions": {"queues": {"visibilityTimeout": "soon"}}}'])
def test_a_broken_host_json_is_named(tmp_path: Path, text: str) -> None:
    """The error says which file is wrong."""
    (tmp_path / "host.json").write_text(text)
    with pytest.raises(ValueError, match=r"host\.json"):
        configuration.host_config(tmp_path)


def test_an_env_file(tmp_path: Path) -> None:
    """Comments and blank lines are skipped, quotes come off, and a value may hold equals signs."""
    file = tmp_path / "app.env"
    file.write_text("# settings\n\nA=1\nexport B='two words'\nC=k=v==\nD=\n")
    assert configuration.env_file(file) == {"A": "1", "B": "two words", "C": "k=v==", "D": ""}
    file.write_text("A=1\nnonsense\n")
    with pytest.raises(ValueError, match="line 2"):
        configuration.env_file(file)


def test_settings_in_bindings() -> None:
    """`%NAME%` is replaced by the setting; one that is missing is named."""
    assert configuration.resolved("x-%A%-%B%", {"A": "1", "B": "2"}) == "x-1-2"
    with pytest.raises(ValueError, match="no app setting MISSING"):
        configuration.resolved("%MISSING%", {})

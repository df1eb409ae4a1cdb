"""The steps around `azd up`, with a stand-in for the Azure CLI that notes what it was asked."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from infra.package import ROOT
from infra.put_out import exported

HOOKS = ROOT / "infra" / "hooks"
AZ = """\
#!/bin/sh
echo "$@" >>"$NOTES/calls"
for it in "$@"; do case $it in @*) cat "${it#@}" >>"$NOTES/given" ;; esac; done
case "$1 $2" in
"resource show")
    [ -e "$NOTES/there" ] && exit 0
    [ -e "$NOTES/throttled" ] && { echo "(TooManyRequests) later" >&2; exit 1; }
    echo "(SecretNotFound) A secret with (name/id) fingerprint-key was not found" >&2
    exit 3
    ;;
*) [ ! -e "$NOTES/refuse" ] ;;
esac
"""
ENV = {
    "AZURE_SUBSCRIPTION_ID": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
    "AZURE_LOCATION": "swedencentral",
    "DEPLOY_VAULT_GROUP": "rg-counterpart-prod",
    "DEPLOY_VAULT_NAME": "kv-abc",
    "DEPLOY_TOKEN": "abc",
    "DEPLOY_APP_URL": "https://func.test",
    "DEPLOY_PAUSE": "0",
}


class Shell:
    """A place with the stand-in in it, and what it noted."""

    def __init__(self, place: Path) -> None:
        self.place = place
        (place / "az").write_text(AZ, "utf-8")
        (place / "az").chmod(0o755)

    def run(self, hook: str, **env: str) -> subprocess.CompletedProcess[str]:
        path = f"{self.place}:{os.environ['PATH']}"  # noqa: TID251 -- to find sh and openssl
        return subprocess.run(
            ["sh", str(HOOKS / hook)],
            env={**ENV, **env, "PATH": path, "NOTES": str(self.place)},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    @property
    def calls(self) -> list[str]:
        return (self.place / "calls").read_text("utf-8").splitlines()

    def given(self) -> dict[str, str]:
        """The parameters of the deployment."""
        whole = json.loads((self.place / "given").read_text("utf-8"))
        return {name: item["value"] for name, item in whole["parameters"].items()}


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_the_first_time_a_key_is_made(shell: Shell) -> None:
    """The key goes through a file, never through arguments, and the file is gone after."""
    done = shell.run("secrets.sh")
    assert done.returncode == 0, done.stderr
    given = shell.given()
    assert len(given["fingerprintKey"]) == 64
    assert given["vaultName"] == "kv-abc"
    assert given["teamsWebhook"] == given["webhook"] == ""
    assert given["fingerprintKey"] not in "".join(shell.calls) + done.stdout + done.stderr
    file = next(part[1:] for part in " ".join(shell.calls).split() if part.startswith("@"))
    assert not Path(file).exists()


def test_a_key_that_is_there_stays(shell: Shell) -> None:
    """A later deployment changes no key: the regions' baselines hang on it."""
    (shell.place / "there").touch()
    assert shell.run("secrets.sh").returncode == 0
    assert [call.split()[0] for call in shell.calls] == ["resource"]


def test_a_key_that_may_be_there_stays(shell: Shell) -> None:
    """An answer that is neither yes nor no changes nothing, and is shown."""
    (shell.place / "throttled").touch()
    done = shell.run("secrets.sh")
    assert done.returncode == 1
    assert "(TooManyRequests) later" in done.stderr
    assert "nothing was changed" in done.stderr
    assert [call.split()[0] for call in shell.calls] == ["resource"]


def test_a_webhook_is_laid_in_beside_a_key_that_stays(shell: Shell) -> None:
    """Whatever stands in the address arrives as it is."""
    (shell.place / "there").touch()
    address = 'https://x.test/hook?sp=%2Ft&sig=a"b\\c$d'
    assert shell.run("secrets.sh", TEAMS_WEBHOOK=address).returncode == 0
    given = shell.given()
    assert (given["teamsWebhook"], given["fingerprintKey"]) == (address, "")
    assert "sig=" not in "".join(shell.calls)


def test_outputs_become_variables() -> None:
    """Whatever casing Resource Manager gives their names, and whatever stands in them."""
    answered = {
        "azurE_RESOURCE_GROUP": {"type": "String", "value": "rg-counterpart-prod"},
        "watcheD_SITES": {"type": "String", "value": "/subscriptions/a/b c,/d'e"},
    }
    lines = exported(json.dumps(answered))
    done = subprocess.run(
        ["sh", "-c", f'{lines}printf %s "$AZURE_RESOURCE_GROUP|$WATCHED_SITES"'],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout == "rg-counterpart-prod|/subscriptions/a/b c,/d'e"


def test_doorbells_are_connected(shell: Shell) -> None:
    """By the second template, with the parameters of the azd environment."""
    assert shell.run("doorbells.sh").returncode == 0
    (call,) = shell.calls
    assert "deployment sub create" in call
    assert "doorbells.bicepparam" in call


def test_doorbells_are_tried_a_few_times(shell: Shell) -> None:
    """Right after a deployment the functions may not be known; in the end it is said what that means."""
    (shell.place / "refuse").touch()
    done = shell.run("doorbells.sh")
    assert done.returncode == 1
    assert len(shell.calls) == 4
    assert "works without them" in done.stderr

"""The Terraform snippet that leaves the package URL alone, with the reason. Pure.

Source: the vendor's module names what it ignores, and `WEBSITE_RUN_FROM_PACKAGE` is not among it (facts: settings).
"""

from typing import Final

REASON: Final = """\
Terraform writes the package URL that stands in its files at every apply. After a rotation that is the URL of the
host that was down: the apply would restart the app, and the app would not find its package. Counterpart rotates
only this one setting and leaves all others to Terraform.
"""

SNIPPET: Final = """\
# In the resource of each region's app: azurerm_windows_web_app or azurerm_linux_web_app.
lifecycle {
  ignore_changes = [
    app_settings["WEBSITE_RUN_FROM_PACKAGE"],
  ]
}
"""

_MODULE: Final = """\
A lifecycle block cannot be passed into a module. If the app comes from a module (the vendor's is
scepman/terraform-azurerm-scepman), put the entry into the list that the module's own app resource has already, in
your copy of it. Leave it out where the app does not run from a package URL.
"""


def text() -> str:
    """The snippet with its reason, as comments around it."""
    return f"{_comment(REASON)}\n{SNIPPET}\n{_comment(_MODULE)}"


def _comment(words: str) -> str:
    return "".join(f"# {line}\n" for line in words.splitlines())

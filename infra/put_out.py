"""What `infra/main.bicep` put out, as lines for a shell: for who deploys by hand; azd does the same by itself.

    eval "$(az deployment sub show --name counterpart --query properties.outputs -o json | python3 infra/put_out.py)"

Resource Manager answers outputs with another casing than they have in the template (`azurE_RESOURCE_GROUP`), so that
asking for one by its name finds nothing.
"""

import json
import shlex
import sys


def exported(outputs: str) -> str:
    """The outputs of a deployment, as Resource Manager answers them, as `export` lines."""
    found = json.loads(outputs)
    return "".join(
        f"export {name.upper()}={shlex.quote(str(item['value']))}\n" for name, item in found.items()
    )


if __name__ == "__main__":
    sys.stdout.write(exported(sys.stdin.read()))

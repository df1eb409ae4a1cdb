"""The stage: runs a `function_app.py` in the real Python worker library, for machines without Core Tools.

`python -m simulator.stage --app DIR` is one host with one app; `Stage` starts and stops such a process for
tests and the demo.
"""

from simulator.stage.process import Answer, InvocationFailed, Stage, StageFailed

__all__ = ["Answer", "InvocationFailed", "Stage", "StageFailed"]

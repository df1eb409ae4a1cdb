"""One file per reaction; `function_app.py` is the table that binds them to triggers."""

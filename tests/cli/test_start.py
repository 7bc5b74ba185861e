"""The start of the program."""

import subprocess
import sys

_START = """
import gc, sys
from theodora.__main__ import main
sys.argv = ["theodora", "--version"]
try:
    main()
finally:
    print(gc.isenabled(), gc.get_stats()[0]["collections"])
"""


def test_modules_are_loaded_without_looking_for_cycles_among_them():
    done = subprocess.run(
        [sys.executable, "-c", _START], check=True, capture_output=True, text=True
    )
    is_enabled, collections = done.stdout.split()[-2:]
    # Python looks some times before that; with every module it would be 200 times.
    assert (is_enabled, int(collections) < 50) == ("True", True)

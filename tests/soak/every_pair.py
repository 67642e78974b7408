"""Every kind of peft on every pair of towers, in all the tests that run over methods; the suite tries most on one pair.

python tests/soak/every_pair.py     # some minutes
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = (
    "tests/unit/test_methods.py",
    "tests/unit/test_self_check.py",
    "tests/unit/test_last_layer.py",
    "tests/unit/test_pages_of_methods.py",
    "tests/parity/test_peft_counts.py",
)

if __name__ == "__main__":
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS, *sys.argv[1:]]
    raise SystemExit(subprocess.run(command, cwd=ROOT, env=os.environ | {"TPMEBENCH_EVERY_PAIR": "1"}).returncode)

"""A thousand mutations of each part of a dataset folder; the suite runs a hundred.

python tests/soak/dataset_mutations.py [EXAMPLES]
"""

import os
import sys
from pathlib import Path

import pytest

if __name__ == "__main__":
    os.environ["TPMEBENCH_EXAMPLES"] = sys.argv[1] if len(sys.argv) > 1 else "1000"
    unit = Path(__file__).parents[1] / "unit" / "test_dataset_mutations.py"
    sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "--timeout=3600", str(unit)]))

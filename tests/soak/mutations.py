"""A thousand examples of the property tests of readers, of which the suite takes a hundred.

python tests/soak/mutations.py [FILE…]
"""

import sys
from pathlib import Path

import pytest

UNIT = Path(__file__).parent.parent / "unit"


def main(files: list[str]) -> int:
    """Runs the property tests of the files, by default of all that have any. Status 0 when they hold."""
    having = [str(file) for file in sorted(UNIT.glob("test_*.py")) if "@given(" in file.read_text(encoding="utf-8")]
    return pytest.main(
        [*(files or having), "-q", "--hypothesis-profile=soak", "--hypothesis-show-statistics", "--timeout=3000"]
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

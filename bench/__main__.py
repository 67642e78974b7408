"""`python -m tpmebench.bench`: the command."""

import sys

if not sys.flags.safe_path:
    del sys.path[0]  # the working directory: no module of it takes the place of a library's

from .cli import main

main()

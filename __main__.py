"""`python -m tpmebench`: the command."""

from .bench import __main__ as __main__

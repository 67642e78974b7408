"""What to run: a study, its cells, what earlier runs left of them, and the code that decides a result."""

"""What the commands beside `run`, `report`, `check` and `compare` do."""

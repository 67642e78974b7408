"""Pictures that users bring: found by name in a folder or a zip, checked once, and decoded as people see them."""

"""The feature cache, and where an item encoder's inputs come from."""

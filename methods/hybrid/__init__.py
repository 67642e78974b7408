"""Methods that train the top of the towers over lower layers that are frozen, and can be cached."""

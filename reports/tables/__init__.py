"""Tables as data, the same for every format."""

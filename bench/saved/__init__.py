"""What a cell has trained, once it is done: found, exported, rebuilt, asked for recommendations."""

"""What a cell will cost, before it is run."""

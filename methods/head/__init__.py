"""What all methods share above the items: SASRec and its loss."""

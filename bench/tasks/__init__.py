"""What is asked of the embeddings: the contract of a task, and the one that there is."""

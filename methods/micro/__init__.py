"""The built-in towers, and how they were pretrained."""

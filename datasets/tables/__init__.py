"""Tables that users bring, text or Parquet, of whatever layout: found by content, with errors that name the line."""

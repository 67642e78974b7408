"""Tables that users bring: CSV, TSV (plain or .gz) and Parquet, read strictly, with errors that name file and line."""

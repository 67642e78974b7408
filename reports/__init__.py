"""From records to TPME, statistics, tables, plots and pages."""

"""The five metrics: columns, periods, statistics and reports."""

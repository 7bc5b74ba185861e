"""Event columns in memory, and the metrics read from them."""

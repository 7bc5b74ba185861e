"""AI impact: metrics of assisted changes beside those of others. Pure functions."""

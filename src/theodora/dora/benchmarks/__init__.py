"""Published levels and survey results to compare with."""

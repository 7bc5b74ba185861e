"""The metrics operations: the question, the answer and its formats."""

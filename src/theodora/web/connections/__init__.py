"""HTTP connections: who gets in, size limits, deadlines and closing."""

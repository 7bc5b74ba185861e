"""Verdict, type, links and lead times of deployments, from events, commits and rules."""

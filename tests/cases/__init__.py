"""Behaviour as data: files of cases that several packages' tests read."""

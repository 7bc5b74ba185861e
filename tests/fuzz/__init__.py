"""Spoilt inputs for every parser: each ends in a value or in an error of the project, in time."""

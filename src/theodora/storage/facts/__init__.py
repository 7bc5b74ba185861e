"""The inputs of derivation besides events: commits, settings, overrides, mirrors."""

"""What derivation depends on besides the events: commits, settings, overrides, mirrors."""

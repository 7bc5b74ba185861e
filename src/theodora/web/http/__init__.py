"""HTTP without meaning: requests, replies, keys, limits and observation."""

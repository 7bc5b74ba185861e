"""Sign-in with OpenID Connect: providers, their metadata and keys, the code flow and its tokens."""

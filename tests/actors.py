"""Who asks for the writes of tests."""

from theodora.storage import Actor

TESTER = Actor("person", "tester")

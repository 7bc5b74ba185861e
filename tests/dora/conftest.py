"""Laws are tried on many random worlds; how long one takes says nothing on a busy machine."""

from hypothesis import settings

settings.register_profile("patient", deadline=None, max_examples=50)
settings.load_profile("patient")

"""Random tests in two lengths: `make test` asks a part, other in each run, `make slow` asks all."""

import pytest


def short_and_long(name: str, short: object, long: object) -> pytest.MarkDecorator:
    """Gives a test the parameter `name`, which says how much is made and asked."""
    lengths = [
        pytest.param(short, id="short"),
        pytest.param(long, id="long", marks=pytest.mark.slow),
    ]
    return pytest.mark.parametrize(name, lengths)

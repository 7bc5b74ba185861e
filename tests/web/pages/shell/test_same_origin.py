"""Whether a form comes from a page of this server."""

import pytest

from theodora.web.pages.shell.same_origin import is_same_origin

HOST = {"host": "dora.example"}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        # Browsers of today, to https and localhost.
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "unknown"}, False),
        ({"sec-fetch-site": "cross-site", "origin": "https://dora.example"}, False),
        ({"sec-fetch-site": "same-origin", "origin": "https://evil.example"}, True),
        # Plain http in a network of one's own, and browsers from before 2023.
        ({"origin": "https://dora.example"}, True),
        ({"origin": "http://dora.example"}, True),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "https://dora.example.evil.example"}, False),
        ({"origin": "https://dora.example:8443"}, False),
        ({"origin": "null"}, False),
        ({"origin": "dora.example"}, False),
        ({"origin": "https://"}, False),
        ({"origin": "https://", "host": ""}, False),
        ({"origin": "https://dora.example", "sec-fetch-site": ""}, True),
        # Ports, as browsers and proxies write them.
        ({"origin": "https://dora.example", "host": "dora.example:443"}, True),
        ({"origin": "http://dora.example", "host": "dora.example:80"}, True),
        ({"origin": "http://dora.example", "host": "dora.example:443"}, False),
        ({"origin": "http://dora.example:8080", "host": "dora.example:8080"}, True),
        ({"origin": "http://[::1]:8080", "host": "[::1]:8080"}, True),
        # A proxy that has its own name for this server.
        (
            {
                "origin": "https://dora.example",
                "host": "10.0.0.7:8080",
                "x-forwarded-host": "dora.example, inner.example",
            },
            True,
        ),
        ({"origin": "https://dora.example", "host": "10.0.0.7:8080"}, False),
        # Programs.
        ({}, True),
    ],
)
def test_only_forms_of_this_server_pass(headers: dict[str, str], expected: bool) -> None:
    assert is_same_origin({**HOST, **headers}) is expected

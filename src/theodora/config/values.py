"""Readers of the values of settings; each raises `ValueError` or `KeyError` for what is none."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_network
from typing import NamedTuple
from urllib.parse import urlsplit

from theodora.errors import UnusableSetting


class RateLimit(NamedTuple):
    """At most `requests` in each window of `seconds`."""

    requests: int
    seconds: int

    def __str__(self) -> str:
        return f"{self.requests}/{self.seconds}"


_DIGITS = re.compile(r"[0-9]{1,12}")
_PREFIX = re.compile(r"[A-Za-z0-9._~/-]*")
_SHORTEST_KEY = 32
"""As long as the API keys that the server makes; shorter ones can be guessed."""


def read_text(text: str) -> str:
    if not text.isprintable():
        raise ValueError
    return text


def read_host(text: str) -> str:
    if not read_text(text) or " " in text:
        raise ValueError(text)
    return text


def read_key(text: str) -> str:
    is_sendable = text.isascii() and text.isprintable() and text == text.strip()
    if text and not (is_sendable and len(text) >= _SHORTEST_KEY):
        raise ValueError
    return text


def read_url(text: str) -> str:
    if text and not text.startswith(("http://", "https://")):
        raise ValueError
    return text


def read_origin(text: str) -> str:
    """A scheme, a host and maybe a port; the URL that browsers open begins so."""
    parts = urlsplit(text)
    is_origin = parts.scheme in {"http", "https"} and parts.hostname
    if text and (not is_origin or text.rstrip("/") != f"{parts.scheme}://{parts.netloc}"):
        raise ValueError
    if "@" in text or not text.isascii() or not text.isprintable() or (text and parts.port == 0):
        raise ValueError
    return text.rstrip("/")


def read_words(text: str) -> tuple[str, ...]:
    return tuple(read_text(text).split())


def read_badges(text: str) -> tuple[tuple[str, str], ...]:
    """Organisations and their tokens."""
    pairs = [part.strip().rpartition("=") for part in text.split(",") if part.strip()]
    if any(not org or len(token) < _SHORTEST_KEY or not read_key(token) for org, _, token in pairs):
        raise ValueError
    return tuple((org, token) for org, _, token in pairs)


_CONTACT = re.compile(r"mailto:[!-?A-~]+@[!-~]+|https://[A-Za-z0-9\[][!-~]*")


def read_contact(text: str) -> str:
    if text and not _CONTACT.fullmatch(text):
        raise ValueError
    return text


_HEADER = re.compile(r"[A-Za-z0-9-]*")


def read_header(text: str) -> str:
    if not _HEADER.fullmatch(text):
        raise ValueError
    return text.lower()


@dataclass(frozen=True, slots=True)
class Integer:
    """Reads a whole number within bounds."""

    least: int
    most: int

    def __call__(self, text: str) -> int:
        number = int(text) if _DIGITS.fullmatch(text) else None
        if number is None or not self.least <= number <= self.most:
            raise ValueError(text)
        return number


def read_switch(text: str) -> bool:
    return {"yes": True, "no": False}[text.lower()]


def read_prefix(text: str) -> str:
    if not _PREFIX.fullmatch(text):
        raise ValueError(text)
    trimmed = text.strip("/")
    return f"/{trimmed}" if trimmed else ""


ANYONE = "*"
CONSENT = "anyone-may-lie"


def read_proxies(text: str) -> tuple[str, ...]:
    proxies = tuple(proxy.strip() for proxy in text.split(",") if proxy.strip())
    if ANYONE in proxies:
        if sorted(proxies) != [ANYONE, CONSENT]:
            raise UnusableSetting(
                f"{ANYONE} believes the address that anyone writes: name the addresses or networks "
                "of your proxies, or, if nobody else can reach this server, write "
                f"{ANYONE},{CONSENT}"
            )
        return (ANYONE,)
    for proxy in proxies:
        ip_network(proxy)
    return proxies


def read_rate_limit(text: str) -> RateLimit:
    requests, _, seconds = text.partition("/")
    limit = RateLimit(int(requests), int(seconds))
    if limit.requests < 1 or limit.seconds < 1:
        raise ValueError(text)
    return limit


_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def duration_seconds(text: str) -> int:
    """A number and s, m, h or d, such as `6h`; raises `ValueError` or `KeyError` for others."""
    seconds = int(text[:-1]) * _UNIT_SECONDS[text[-1:]]
    if seconds < 1:
        raise ValueError(text)
    return seconds


def one_of(*choices: str) -> Callable[[str], str]:
    def choose(text: str) -> str:
        return choices[choices.index(text)]

    choose.__doc__ = f"one of {' '.join(choices)}"
    return choose


def in_one_line(text: str) -> str:
    """A value in a message: on one line, and not too long."""
    clean = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
    return clean if len(clean) <= 100 else clean[:99] + "…"

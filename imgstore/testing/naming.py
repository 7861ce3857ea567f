"""Keys and URLs: every good one works and is an object of its own, every hostile one is refused with InvalidKey."""

from __future__ import annotations

import contextlib
import re
from typing import Any

import pytest

from imgstore import errors
from imgstore.testing.bench import KEY, Bench, body
from imgstore.testing.telling import Laws

GOOD_KEYS = ("a", "A", "0", "-", "_", "--help", "a.b", "a..b", "a.", "a.tmp", "CON", "con", "x" * 200, "X" * 200)
HOSTILE_KEYS: tuple[Any, ...] = (
    "", ".", "..", ".hidden", "../a", "../../etc/passwd", "/a", "/etc/passwd", "a/b", "a/", "a/../b", "./a", "a\\b",
    "..\\a", "a\0", "\0", "a\0b", "a\n", "\na", "a\r\nb", " a", "a ", "a b", "a\tb", "%2e%2e", "%2e%2e%2fa", "a%00",
    "a?b", "a#b", "a:b", "a@b", "a&b", "a*", "a;b", "$(a)", "`a`", "~", "~root", "\u00e9", "\uff0e\uff0e", "a\u2044b",
    "\ud800", "x" * 201, "x" * 100_000, None, 7, b"a", ["a"],
)  # fmt: skip


def hostile_urls(url: str, key: str) -> list[str]:
    """What is near the URL of an object and is the URL of none."""
    stem = url[: url.rindex(key)]
    swapped = [stem + bad + url[len(stem) + len(key) :] for bad in HOSTILE_KEYS if isinstance(bad, str)]
    tails = [url + tail for tail in ("/", "/..", "/../x", "?", "?a=b", "#", "#a", "%00", "\0", "\n", " ", "%20")]
    scheme, _, rest = url.partition("://")
    heads = [f"{scheme}://elsewhere.invalid/{rest.lstrip('/')}", f"no{url}", f" {url}"]
    elsewhere = re.sub(r"^([^/:]*)(:[0-9]+)?/", r"\1:8443/", rest)
    heads += [f"{scheme}://{elsewhere}"] * (elsewhere != rest)
    heads += [f"http://169.254.169.254/{key}", f"data:,{key}", f"//{rest}", rest, key, "", "://", f"{scheme}://"]
    quoted = stem + "".join(f"%{ord(letter):02x}" for letter in key)
    return [*swapped, *tails, *heads, quoted, f"{stem}/{key}", f"{stem}x/../{key}", f"{stem}./{key}"]


class NamingLaws(Laws):
    """What may be asked for, and by which name."""

    def test_good_keys_are_objects_of_their_own(self, bench: Bench) -> None:
        for number, key in enumerate(GOOD_KEYS):
            bench.put(body(20, number), key)
        bench.assert_all_hold()

    def test_hostile_key_is_refused_by_every_method(self, bench: Bench) -> None:
        driver = bench.driver
        for key in HOSTILE_KEYS:
            for ask in (driver.open_writer, driver.open_reader, driver.stat, driver.delete, driver.url):
                with bench.refuses(errors.InvalidKey):
                    pytest.fail(f"{ask.__name__}({ascii(key)[:60]}) returned {ask(key)!r}")
        bench.assert_clean()

    def test_url_leads_back_to_its_key(self, bench: Bench) -> None:
        urls = {bench.driver.url(key): key for key in GOOD_KEYS}
        assert len(urls) == len(GOOD_KEYS), "two keys have the same URL"
        for url, key in urls.items():
            assert bench.other.key_from_url(url) == key
            assert bench.other.url(key) == url

    def test_url_has_a_scheme_and_is_plain(self, bench: Bench) -> None:
        url = bench.driver.url(KEY)
        scheme, separator, _ = url.partition("://")
        assert separator, "a URL has a scheme, and // behind it"
        assert re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme), "the scheme is not one"
        assert re.fullmatch(r"[!-~]+", url), "a URL is printable ASCII without spaces"

    def test_url_is_the_same_whether_the_object_is_there(self, bench: Bench) -> None:
        before = bench.driver.url(KEY)
        bench.put(body(13))
        assert bench.driver.url(KEY) == bench.other.url(KEY) == before

    def test_hostile_url_is_refused(self, bench: Bench) -> None:
        good = {bench.driver.url(key) for key in GOOD_KEYS}
        for url in hostile_urls(bench.driver.url(KEY), KEY):
            assert url not in good
            with bench.refuses(errors.InvalidKey):
                pytest.fail(f"{url!r} was taken for {bench.driver.key_from_url(url)!r}")
        bench.assert_clean()

    def test_credential_in_a_url_is_refused_or_ignored(self, bench: Bench) -> None:
        """Former drivers wrote such URLs; whatever is done with them, the credential has no effect."""
        scheme, _, rest = bench.driver.url(KEY).partition("://")
        for credential in ("user:word", "user", "a/b:c/d", ":"):
            with contextlib.suppress(errors.InvalidKey):
                assert bench.driver.key_from_url(f"{scheme}://{credential}@{rest}") == KEY

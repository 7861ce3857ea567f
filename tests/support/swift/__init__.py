"""A real OpenStack Swift for tests, with its S3 API. How a test uses it:

    def test_something(swift: SwiftServer) -> None:               # one Swift for the whole run, started when first used
        account = swift.account()                                 # fresh; account.login, .key, swift.auth_url
        container = account.container()                           # or a bucket: account.access_key, .key, swift.url
        ...                                                       # the driver under test does its work
        assert account.everything() == {f"{container}/key"}       # what is there, asked with a bare client

    def test_of_limits(swift_with: SwiftFactory) -> None:         # one for each SwiftSettings, kept for the run
        swift = swift_with(SwiftSettings(token_life=2, max_file_size=65536))

    def test_of_users(keystone_swift: KeystoneSwift) -> None:     # before a real Keystone, in a file test_keystone*.py:
        account = keystone_swift.account()                        # `make test-long` runs it; see on_keystone.py

The fixtures are in `tests/support/fixtures.py`. `with SwiftServer(...) as swift:` is one that
the test may stop by itself.
"""

from tests.support.swift.account import SwiftAccount
from tests.support.swift.server import SwiftServer
from tests.support.swift.settings import KeystoneAccess, SwiftSettings

__all__ = ["KeystoneAccess", "SwiftAccount", "SwiftServer", "SwiftSettings"]

"""What a store gives away: URLs for a while (`MakesTemporaryUrls`), and leave to read (`SharesObjects`)."""

from __future__ import annotations

import time

from imgstore import errors
from imgstore.driver.capabilities import MakesTemporaryUrls, SharesObjects
from imgstore.testing.bench import KEY, KEYS, Bench, body, same
from imgstore.testing.telling import Laws

SHORT, LONG = 1, 60
"""Seconds for which a URL is made."""
PAUSE = 1.1
"""Seconds more: storages count whole ones."""
OK, REFUSED = 200, 400


class GivingLaws(Laws):
    """Exactly what was given, for exactly as long."""

    READ = "Capabilities"

    def test_temporary_url_gives_the_whole_object(self, bench: Bench) -> None:
        driver = bench.driver
        if not isinstance(driver, MakesTemporaryUrls):
            return
        for number, data in enumerate((b"", body(13), bench.large())):
            bench.put(data, KEYS[number])
            status, found = bench.subject.fetch(driver.temporary_url(KEYS[number], seconds=LONG))
            assert status == OK, f"a temporary URL is answered with {status}"
            assert same(found, data)
        with bench.refuses(errors.InvalidKey):
            driver.temporary_url("../a", seconds=LONG)
        for seconds in (0, -1):
            with bench.refuses(errors.UsageError):
                driver.temporary_url(KEYS[0], seconds=seconds)
        bench.assert_all_hold()

    def test_temporary_url_gives_no_other_object_and_ends(self, bench: Bench) -> None:
        driver = bench.driver
        if not isinstance(driver, MakesTemporaryUrls) or not bench.subject.verifies_urls:
            return
        bench.put(bench.large())
        bench.put(body(13), KEYS[0])
        url = driver.temporary_url(KEY, seconds=LONG)
        short = driver.temporary_url(KEY, seconds=SHORT)
        time.sleep(SHORT + PAUSE)
        bench.delete(KEYS[0])
        bench.put(body(14), KEYS[0])
        for wrong, what in ((url.replace(KEY, KEYS[0]), "of another object"), (short, "whose time is up")):
            status, _ = bench.subject.fetch(wrong)
            assert status >= REFUSED, f"a temporary URL {what} is answered with {status}"
        bench.delete()
        status, _ = bench.subject.fetch(url)
        assert status >= REFUSED, f"a temporary URL of an object that was removed is answered with {status}"

    def test_shared_object_is_the_same_object(self, bench: Bench) -> None:
        driver = bench.driver
        if not isinstance(driver, SharesObjects):
            return
        with bench.refuses(errors.ObjectNotFound):
            driver.share(KEY, public=True)
        bench.assert_absent()
        with bench.refuses(errors.InvalidKey):
            driver.share("../a", public=True)
        bench.put(bench.large())
        etag = bench.other.stat(KEY).etag
        for public, readers in ((True, ()), (False, ("a-project", "another")), (False, ())):
            driver.share(KEY, public=public, readers=readers)
            assert bench.other.stat(KEY).etag == etag, "share changed the object"
        bench.assert_holds(bench.large())

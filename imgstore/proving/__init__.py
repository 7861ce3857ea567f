"""The proof of a live store: what its driver and its server keep, found out by doing it once, in a few seconds.

`prove(driver)` writes, reads and removes objects of its own and gives an outcome for each law and each fact. The names
of its objects are no image's, and it removes all of them in the end, whatever happens. The kit of the tests
(`imgstore.testing`) looks closer, and needs an empty storage; this one runs beside the images, without pytest.
"""

from imgstore.proving.ground import Broken, Ground, NotApplicable
from imgstore.proving.proof import PREFIX, SECONDS, Outcome, Result, prove

__all__ = ["PREFIX", "SECONDS", "Broken", "Ground", "NotApplicable", "Outcome", "Result", "prove"]

"""What an entry weighs in each of the three accounts that it counts for: arithmetic, without a database.

Every step of the ledger is a change of one entry from one share to another (None: there is no entry), and what it does
to the accounts is the difference of the two weights. So accounts and entries cannot come apart, whatever the order of
steps.
"""

from __future__ import annotations

from dataclasses import dataclass

from imgstore.sql.ledger.schema import GOING, HELD, HOLDING, IMAGE, USED


@dataclass(frozen=True, slots=True)
class Weight:
    """A change of one account, or what it has: bytes in use, bytes held, images or objects, uploads under way."""

    used: int = 0
    held: int = 0
    images: int = 0
    uploads: int = 0

    def __add__(self, other: Weight) -> Weight:
        return Weight(
            self.used + other.used, self.held + other.held, self.images + other.images, self.uploads + other.uploads
        )

    def __neg__(self) -> Weight:
        return Weight(-self.used, -self.held, -self.images, -self.uploads)

    @property
    def taken(self) -> int:
        """Bytes that count against the limit."""
        return self.used + self.held


NOTHING = Weight()


@dataclass(frozen=True, slots=True)
class Share:
    """The state of an entry, and its bytes."""

    state: str
    size: int = 0


@dataclass(frozen=True, slots=True)
class Account:
    """The row of an account: of a project, of a project in a store, of a store."""

    owner: str
    store: str

    @property
    def rank(self) -> tuple[int, str, str]:
        """Where it comes in the order of locks."""
        return (2 if not self.owner else 1 if self.store else 0), self.owner, self.store


def accounts_of(owner: str, store: str) -> tuple[Account, ...]:
    """The accounts that an entry counts for; one of an image has no store."""
    project = Account(owner, "")
    return (project, Account(owner, store), Account("", store)) if store else (project,)


def weight(share: Share | None, account: Account) -> Weight:
    """What an entry weighs in an account."""
    if share is None:
        return NOTHING
    if share.state == IMAGE:
        return Weight(images=1)
    objects = 1 if account.store else 0
    if share.state in HOLDING:
        return Weight(held=share.size, images=objects, uploads=1 if share.state == HELD else objects)
    if share.state == USED or (share.state == GOING and not account.owner):
        return Weight(used=share.size, images=objects)
    return NOTHING


def difference(before: Share | None, after: Share | None, account: Account) -> Weight:
    """What the change of an entry does to an account."""
    return weight(after, account) + -weight(before, account)

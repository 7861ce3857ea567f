"""How much an entry of the ledger counts in each of its accounts: arithmetic, without a database.

Every step of the ledger takes one entry from one state to another (None: there is no entry). The step changes each
account by the difference of the two charges. So the accounts always add up to the entries, in whatever order the steps
come.
"""

from __future__ import annotations

from dataclasses import dataclass

from imgstore.sql.ledger.schema import HELD, HOLDING, IMAGE, REMOVING, USED


@dataclass(frozen=True, slots=True)
class Charge:
    """What an account is charged with, or a change of that: bytes in use, bytes held, images (in a store: objects),
    uploads under way."""

    used: int = 0
    held: int = 0
    images: int = 0
    uploads: int = 0

    def __add__(self, other: Charge) -> Charge:
        return Charge(
            self.used + other.used, self.held + other.held, self.images + other.images, self.uploads + other.uploads
        )

    def __neg__(self) -> Charge:
        return Charge(-self.used, -self.held, -self.images, -self.uploads)

    @property
    def taken(self) -> int:
        """Bytes that count against the limit."""
        return self.used + self.held


NOTHING = Charge()


@dataclass(frozen=True, slots=True)
class EntryState:
    """What decides how much an entry counts: its state and its bytes."""

    state: str
    size: int = 0


@dataclass(frozen=True, slots=True)
class LedgerAccount:
    """Names an account: of a project (`store` is ""), of a project in a store, or of a store (`owner` is "")."""

    owner: str
    store: str

    @property
    def rank(self) -> tuple[int, str, str]:
        """Where the account comes in the order of locks."""
        return (2 if not self.owner else 1 if self.store else 0), self.owner, self.store


def accounts_of(owner: str, store: str) -> tuple[LedgerAccount, ...]:
    """The accounts in which an entry counts. The entry of an image has no store."""
    project = LedgerAccount(owner, "")
    return (project, LedgerAccount(owner, store), LedgerAccount("", store)) if store else (project,)


def charge(entry: EntryState | None, account: LedgerAccount) -> Charge:
    """How much an entry counts in an account."""
    if entry is None:
        return NOTHING
    if entry.state == IMAGE:
        return Charge(images=1)
    objects = 1 if account.store else 0
    if entry.state in HOLDING:
        return Charge(held=entry.size, images=objects, uploads=1 if entry.state == HELD else objects)
    if entry.state == USED or (entry.state == REMOVING and not account.owner):
        return Charge(used=entry.size, images=objects)
    return NOTHING


def charge_of_all(state: str, number: int, size: int, account: LedgerAccount) -> Charge:
    """How much `number` entries of `size` bytes together count in an account."""
    one = charge(EntryState(state, size), account)
    return Charge(one.used, one.held, number * one.images, number * one.uploads)


def difference(before: EntryState | None, after: EntryState | None, account: LedgerAccount) -> Charge:
    """How much a change of an entry changes an account."""
    return charge(after, account) + -charge(before, account)

"""Who the driver is to Swift: credentials from the store's own options or from a file of accounts.

The file is what glance_store calls swift_store_config_file: a section for each account, with auth_address, user
('project:user', for auth version 1 'account:user') and key, or an application credential. Quotes around a value are
taken off. It is read when it is first needed, not before: building a driver does no input.

Law 7: no `repr` and no error shows a secret. What this module refuses to do: ask for a token.
"""

from __future__ import annotations

import configparser
import dataclasses
from dataclasses import dataclass, field

from imgstore import errors
from imgstore.driver.options import bad

V1 = "1"
V3 = "3"

_FIELDS = {"auth_address": "auth_url", "key": "password", "auth_version": "version"}
"""What the file calls otherwise than the driver's options."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """One account and how to get tokens for it. Raises ConfigurationError for what is missing or does not fit."""

    version: str
    auth_url: str
    username: str | None = None
    user_id: str | None = None
    password: str | None = field(default=None, repr=False)
    user_domain_name: str | None = None
    user_domain_id: str | None = None
    project_name: str | None = None
    project_id: str | None = None
    project_domain_name: str | None = None
    project_domain_id: str | None = None
    application_credential_id: str | None = None
    application_credential_name: str | None = None
    application_credential_secret: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.version == V1:
            self._refuse_incomplete_v1()
        elif self.by_application:
            self._refuse_incomplete_application()
        else:
            self._refuse_incomplete_v3()

    @property
    def by_application(self) -> bool:
        """Whether an application credential is used, so that neither password nor project is."""
        return any((self.application_credential_id, self.application_credential_name))

    @property
    def user(self) -> str | None:
        """The user as glance_store wrote it into URLs: 'account:user' or 'project:user'; None where it wrote none."""
        if self.version == V1 or self.username is None:
            return self.username
        return f"{self.project_name}:{self.username}" if self.project_name else None

    def _refuse_incomplete_v1(self) -> None:
        if not self.username:
            raise bad("username", "is not set.", "Set it to 'account:user'.")
        if not self.password:
            raise bad("password", "is not set.", "Set the user's key.")

    def _refuse_incomplete_application(self) -> None:
        if not self.application_credential_secret:
            raise bad("application_credential_secret", "is not set.", "Set the application credential's secret.")
        if not self.application_credential_id and not (self.username or self.user_id):
            raise bad("username", "is not set, which a credential's name needs.", "Set username or user_id.")

    def _refuse_incomplete_v3(self) -> None:
        if not (self.username or self.user_id):
            raise bad("username", "is not set.", "Set username or user_id, or an application credential.")
        if not self.password:
            raise bad("password", "is not set.", "Set the user's password, or an application credential.")
        if not (self.project_name or self.project_id):
            raise bad("project_name", "is not set.", "Set project_name or project_id: the account is that project's.")


def read_account(path: str, reference: str, *, version: str) -> Credentials:
    """The account `reference` of the file at `path`; `version` where it names none. Raises ConfigurationError."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        with open(path, encoding="utf-8") as file:
            parser.read_file(file)
    except OSError as error:
        raise bad(
            "account_file", f"{path} cannot be read ({type(error).__name__}).", "Name a file of accounts."
        ) from error
    except (configparser.Error, UnicodeDecodeError):
        # Without its cause: the text quotes lines of the file, which holds keys.
        raise bad("account_file", f"{path} is not an ini file.", "Correct it.") from None
    if not parser.has_section(reference):
        known = ", ".join(parser.sections()) or "none"
        raise bad("reference", f"'{reference}' is no section of {path}.", f"Use one of: {known}.")
    return _from_section(path, reference, dict(parser.items(reference)), version)


def _from_section(path: str, reference: str, section: dict[str, str], version: str) -> Credentials:
    known = {each.name for each in dataclasses.fields(Credentials)}
    values = {_FIELDS.get(name, name): _unquoted(value) for name, value in section.items()}
    values = {name: value for name, value in values.items() if name in known | {"user"} and value}
    values.setdefault("version", version)
    values["version"] = V1 if values["version"].startswith(V1) else V3
    _split_user(values)
    if not values.get("auth_url"):
        raise bad("account_file", f"{path}: [{reference}] has no auth_address.", "Add it.")
    try:
        return Credentials(**values)
    except errors.ConfigurationError as error:
        raise bad(
            "account_file", f"{path}: [{reference}] is not complete.", "It needs auth_address, user and key."
        ) from error


def _split_user(values: dict[str, str]) -> None:
    """'project:user' as glance_store has it; auth version 1 wants it whole."""
    user = values.pop("user", None)
    if user is None:
        return
    project, colon, name = user.partition(":")
    if values["version"] == V1 or not colon:
        values.setdefault("username", user)
    else:
        values.setdefault("username", name)
        values.setdefault("project_name", project)


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] in "\"'" and value[-1] == value[0] else value

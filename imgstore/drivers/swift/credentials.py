"""Who the driver is to Swift: credentials from the store's own options, or from a file of accounts.

The file is glance_store's swift_store_config_file: one section for each account, with auth_address, user
('project:user', for auth version 1 'account:user') and key, or with an application credential. A value may be in
quotes. The file is read when it is first needed: building a driver reads nothing.

No secrets: neither `repr` nor an error shows one.
"""

from __future__ import annotations

import configparser
import dataclasses
from dataclasses import dataclass

from oslo_config import cfg

from imgstore import errors
from imgstore.driver.options import Options, bad, option
from imgstore.driver.plain_text import blemish

V1 = "1"
V3 = "3"

_NAMES_IN_FILE = {"auth_address": "auth_url", "key": "password"}
"""What the file calls otherwise than the options."""
_SECRETS = frozenset({"password", "application_credential_secret"})


@dataclass(frozen=True, kw_only=True)
class Credentials(Options):
    """One account, and how to get tokens for it."""

    auth_version: str = option(
        cfg.StrOpt,
        default=V3,
        choices=(V1, V3),
        help="Who gives the tokens: '3' for Keystone, '1' for Swift's own tempauth and for Ceph's gateway (RGW).",
    )
    auth_url: str | None = option(
        cfg.StrOpt,
        help="Where tokens are given: for Keystone as in 'https://keystone.example.org:5000/v3', for version 1 as in "
        "'https://swift.example.org/auth/v1.0'. Required, unless account_file names it.",
    )
    username: str | None = option(
        cfg.StrOpt, help="Name of the user whose account holds the images; for version 1 'account:user'."
    )
    user_id: str | None = option(cfg.StrOpt, help="Identifier of the user, instead of username.")
    password: str | None = option(cfg.StrOpt, secret=True, help="Password of the user; for version 1 the key.")
    user_domain_name: str | None = option(
        cfg.StrOpt, help="Name of the user's domain. Unset, without user_domain_id: 'default'."
    )
    user_domain_id: str | None = option(
        cfg.StrOpt, help="Identifier of the user's domain, instead of user_domain_name."
    )
    project_name: str | None = option(cfg.StrOpt, help="Name of the project whose account holds the images.")
    project_id: str | None = option(cfg.StrOpt, help="Identifier of the project, instead of project_name.")
    project_domain_name: str | None = option(
        cfg.StrOpt, help="Name of the project's domain. Unset, without project_domain_id: 'default'."
    )
    project_domain_id: str | None = option(
        cfg.StrOpt, help="Identifier of the project's domain, instead of project_domain_name."
    )
    application_credential_id: str | None = option(
        cfg.StrOpt, help="Identifier of an application credential, instead of user, password and project."
    )
    application_credential_name: str | None = option(
        cfg.StrOpt,
        help="Name of an application credential, instead of its identifier; it needs username or user_id too.",
    )
    application_credential_secret: str | None = option(
        cfg.StrOpt, secret=True, help="Secret of the application credential."
    )

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value == "":
                object.__setattr__(self, name, None)
        super().__post_init__()

    @property
    def token_url(self) -> str:
        """Where tokens are given, without a slash at its end."""
        return (self.auth_url or "").rstrip("/")

    @property
    def by_application(self) -> bool:
        """Whether an application credential is used, so that neither password nor project is."""
        return any((self.application_credential_id, self.application_credential_name))

    @property
    def user_in_url(self) -> str | None:
        """The user as glance_store wrote it into URLs: 'account:user' or 'project:user'; None where it wrote none."""
        if self.auth_version == V1 or self.username is None:
            return self.username
        return f"{self.project_name}:{self.username}" if self.project_name else None

    def refuse_incomplete(self) -> None:
        """Raises ConfigurationError for what is missing or does not fit."""
        if self.auth_url is None:
            raise bad("auth_url", "is not set.", "Set where tokens are given, or name an account_file.")
        if self.auth_version == V1:
            self._refuse_incomplete_v1()
        elif self.by_application:
            self._refuse_incomplete_application()
        else:
            self._refuse_incomplete_v3()

    def _refuse_incomplete_v1(self) -> None:
        if self.by_application:
            raise bad("auth_version", "is not 3, which application credentials need.", "Set auth_version = 3.")
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


NAMES = tuple(field.name for field in dataclasses.fields(Credentials))


def read_account(path: str, reference: str, *, version: str) -> Credentials:
    """The account `reference` of the file at `path`; `version` where it names none. Raises ConfigurationError."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        with open(path, encoding="utf-8-sig") as file:
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
    values = {_NAMES_IN_FILE.get(name, name): _unquoted(value) for name, value in section.items()}
    values = {name: value for name, value in values.items() if name in {*NAMES, "user"} and value}
    _refuse_blemishes(path, reference, values)
    values["auth_version"] = V1 if values.get("auth_version", version).startswith(V1) else V3
    _split_user(values)
    if "auth_url" not in values:
        raise bad("account_file", f"{path}: [{reference}] has no auth_address.", "Add it.")
    found = Credentials(**values)
    try:
        found.refuse_incomplete()
    except errors.ConfigurationError as error:
        raise bad(
            "account_file", f"{path}: [{reference}] is not complete.", "It needs auth_address, user and key."
        ) from error
    return found


def _refuse_blemishes(path: str, reference: str, values: dict[str, str]) -> None:
    """Raises ConfigurationError for a value that has more in it than was meant, such as the indented line below it."""
    for name, value in values.items():
        if (found := blemish(value, free=name in _SECRETS)) is not None:
            raise bad("account_file", f"{path}: [{reference}] {name} {found.problem}", found.cure)


def _split_user(values: dict[str, str]) -> None:
    """'project:user' as glance_store has it; auth version 1 wants it whole."""
    user = values.pop("user", None)
    if user is None:
        return
    project, colon, name = user.partition(":")
    if values["auth_version"] == V1 or not colon:
        values.setdefault("username", user)
    else:
        values.setdefault("username", name)
        values.setdefault("project_name", project)


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] in "\"'" and value[-1] == value[0] else value

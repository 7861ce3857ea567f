"""The policy's rules under Glance's names, by oslo.policy: defaults here, a file of the operator over them.

Owners do everything with their own images, everybody reads public and community ones, members read those that are
shared with them, readers only read, admins do everything. The file is read once, at the start: a mistake in it stops
the start and never meets a request. Which images somebody sees is the catalog's to decide, so that 404 comes before
403.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oslo_context.context import RequestContext
from oslo_policy import opts, policy

from imgstore import errors
from imgstore.service.auth.identity import quiet, unavailable, unusable
from imgstore.sql import Caller, ImageRecord, NewImage

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from oslo_config import cfg

SECTION = "oslo_policy"
DEFAULT_FILE = "policy.yaml"

ADMIN = "rule:context_is_admin"
OWNER = f"{ADMIN} or (role:member and project_id:%(project_id)s)"
READER_OF_PROJECT = f"{ADMIN} or ((role:reader or role:member) and project_id:%(project_id)s)"
READER = (
    f"{ADMIN} or ((role:reader or role:member) and "
    "(project_id:%(project_id)s or project_id:%(member_id)s or 'public':%(visibility)s or 'community':%(visibility)s))"
)
READER_OR_MEMBER = (
    f"{ADMIN} or ((role:reader or role:member) and (project_id:%(project_id)s or project_id:%(member_id)s))"
)
MEMBER = f"{ADMIN} or (role:member and project_id:%(member_id)s)"

_IMAGE = "/v2/images/{image_id}"
_ACTIONS = (
    ("get_images", READER_OF_PROJECT, "List images", "GET", "/v2/images"),
    ("get_image", READER, "Show an image; 404 for those who may not", "GET", _IMAGE),
    ("add_image", OWNER, "Create an image", "POST", "/v2/images"),
    ("modify_image", OWNER, "Change an image, its tags included", "PATCH", _IMAGE),
    ("delete_image", OWNER, "Delete an image", "DELETE", _IMAGE),
    ("publicize_image", ADMIN, "Create an image as public, or make it public", "PATCH", _IMAGE),
    ("communitize_image", OWNER, "Create an image as community, or make it so", "PATCH", _IMAGE),
    ("upload_image", OWNER, "Upload an image's data", "PUT", f"{_IMAGE}/file"),
    ("download_image", READER, "Download an image's data", "GET", f"{_IMAGE}/file"),
    ("copy_image", ADMIN, "Copy an image's data to other stores", "POST", f"{_IMAGE}/import"),
    ("deactivate", OWNER, "Deactivate an image", "POST", f"{_IMAGE}/actions/deactivate"),
    ("reactivate", OWNER, "Reactivate an image", "POST", f"{_IMAGE}/actions/reactivate"),
    ("delete_image_location", OWNER, "Delete an image's data of one store", "DELETE", "/v2/stores/{store}/{image_id}"),
    ("get_members", READER_OR_MEMBER, "List the members of a shared image", "GET", f"{_IMAGE}/members"),
    ("get_member", READER_OR_MEMBER, "Show a member of a shared image", "GET", f"{_IMAGE}/members/{{member_id}}"),
    ("add_member", OWNER, "Share an image with a project", "POST", f"{_IMAGE}/members"),
    ("modify_member", MEMBER, "Accept or reject a shared image", "PUT", f"{_IMAGE}/members/{{member_id}}"),
    ("delete_member", OWNER, "Share an image no more", "DELETE", f"{_IMAGE}/members/{{member_id}}"),
    ("stores_info_detail", ADMIN, "List the stores with their details", "GET", "/v2/info/stores/detail"),
)  # fmt: skip


def options() -> list[cfg.Opt]:
    """The options of the section [oslo_policy]."""
    return opts.list_opts()[0][1]


def list_rules() -> list[policy.RuleDefault]:
    """Every rule with its default, for the enforcer and for oslopolicy-sample-generator."""
    admin = policy.RuleDefault(
        "context_is_admin", "role:admin", "Who sees and does everything", scope_types=["project"]
    )
    return [admin, *(_rule(*action) for action in _ACTIONS)]


def _rule(name: str, check: str, description: str, method: str, path: str) -> policy.RuleDefault:
    operations: list[policy.Operation] = [{"path": path, "method": method}]
    return policy.DocumentedRuleDefault(name, check, f"{description}.", operations, scope_types=["project"])


class PolicyRules:
    """The rules of one service, used by all its threads. Raises ConfigurationError for an unusable file."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._enforcer = policy.Enforcer(conf, policy_file=_file(conf))
        self._enforcer.suppress_default_change_warnings = True
        self._enforcer.register_defaults(list_rules())
        try:
            with quiet("oslo_policy"):
                self._enforcer.load_rules()
                self._enforcer.check_rules(raise_on_violation=True)
        except (policy.InvalidDefinitionError, ValueError, AttributeError, OSError, RecursionError) as error:
            problem = " ".join(str(error).split())
            raise _bad_file(f"cannot be used ({problem}).", "Correct it; etc/policy.yaml.sample is one.") from error
        self._enforcer.use_conf = False

    def caller_of(self, environ: WSGIEnvironment) -> Caller:
        """The caller that keystonemiddleware's headers in `environ` describe, with what the caller may do."""
        context = RequestContext.from_environ(environ, overwrite=False)
        permits = _Permits(self._enforcer, context)
        return Caller(context.project_id, is_admin=permits.is_admin(), permits=permits)


class _Permits:
    """What one caller may do."""

    def __init__(self, enforcer: policy.Enforcer, context: RequestContext) -> None:
        self._enforcer = enforcer
        self._context = context
        self._answers: dict[object, bool] = {}

    def is_admin(self) -> bool:
        """Whether the caller may do everything with all projects' images."""
        return self._allows("context_is_admin", {})

    def __call__(self, action: str, image: NewImage | None) -> bool:
        if image is None:
            project = self._context.project_id
            return project is not None and self._allows(action, {"project_id": project, "owner": project})
        return self._allows(action, _target(image))

    def _allows(self, action: str, target: dict[str, object]) -> bool:
        """Each question is asked once: the catalog asks again inside its transaction, which waits for no server."""
        question = (action, *target.items())
        if question not in self._answers:
            self._answers[question] = self._ask(action, target)
        return self._answers[question]

    def _ask(self, action: str, target: dict[str, object]) -> bool:
        try:
            return bool(self._enforcer.authorize(action, target, self._context))
        except KeyError:  # of an `http:` rule: without what its URL needs it does not hold, as any other
            return False
        except (OSError, RuntimeError) as error:  # an `http:` rule's server
            raise unavailable("The policy cannot be asked.", f"{type(error).__name__}: {error}") from error


def _target(image: NewImage) -> dict[str, object]:
    member = image.member if isinstance(image, ImageRecord) else None
    return {
        **({} if member is None else {"member_id": member}),  # a rule that needs it does not hold without it
        "image_id": image.id,
        "project_id": image.owner,
        "owner": image.owner,
        "visibility": image.visibility,
        "protected": image.protected,
        "name": image.name,
        "disk_format": image.disk_format,
        "container_format": image.container_format,
    }


def _file(conf: cfg.ConfigOpts) -> str:
    """The policy's file; one that is named must be there."""
    conf.register_opts(options(), group=SECTION)
    name: str = conf[SECTION].policy_file
    if name != DEFAULT_FILE and conf.find_file(name) is None:
        raise _bad_file(f"the file {name} is not there.", "Name one that the service may read, or leave it out.")
    return name


def _bad_file(problem: str, cure: str) -> errors.ConfigurationError:
    return unusable(problem, cure, section=SECTION, option="policy_file")

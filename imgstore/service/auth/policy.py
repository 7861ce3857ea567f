"""Who may do what, by Glance's names: the one question that handlers ask before they act.

Visibility is not decided here: a handler gets the image from the catalog, which shows nobody another project's image,
so that 404 comes before 403. The catalog asks the same question again where data is written or read.
"""

from __future__ import annotations

from imgstore import errors
from imgstore.sql import Caller, NewImage

ACTIONS = frozenset(
    {
        "get_images", "get_image", "add_image", "modify_image", "delete_image", "publicize_image", "communitize_image",
        "upload_image", "download_image", "copy_image", "deactivate", "reactivate", "delete_image_location",
        "stores_info_detail", "get_members", "get_member", "add_member", "modify_member", "delete_member",
    }
)  # fmt: skip
"""All actions that the service asks for; a name that is not here has no rule."""


def enforce(caller: Caller, action: str, image: NewImage | None = None) -> None:
    """Lets the caller pass, or raises Forbidden (ImageNotFound where a rule hides the image from them).

    `action` is one of ACTIONS, else UsageError; `image` is what it is done to, None where there is none (yet).
    """
    if action not in ACTIONS:
        raise errors.UsageError(f"No policy has the name {action}.")
    caller.require(action, image)

"""Requests that no database may see as they are, and what each is answered; for an image `{id}` with the tag `a`."""

from __future__ import annotations

from tests.support.client import Client

IMAGE = "/v2/images/{id}"
MANY = "in:" + "," * 1000
ODD: dict[tuple[str, str], int] = {
    **{("GET", f"/v2/images?{name}=%00"): 400 for name in ("name", "tag", "owner", "id", "marker", "x", "%00")},
    **{("GET", f"/v2/images?{name}=%FF"): 400 for name in ("name", "tag", "owner", "x", "%FF", "os_hash_value")},
    ("GET", "/v2/images?name=in:a,%00"): 400, ("GET", "/v2/images?name=%ED%A0%80"): 400,
    ("GET", "/v2/images?min_ram=2147483648"): 400, ("GET", "/v2/images?min_disk_max=999999999999999999"): 400,
    ("GET", "/v2/images?size_min=999999999999999999"): 200, ("GET", "/v2/images?min_ram_min=2147483647"): 200,
    ("GET", f"/v2/images?name={MANY}"): 400, ("GET", f"/v2/images?name={MANY[:-1]}"): 200,
    ("GET", "/v2/images?created_at=gt:0001-01-01T00:00:00"): 200, ("GET", "/v2/images?marker=" + "a" * 5000): 400,
    ("GET", "/v2/images?tag=%F0%9F%98%80&name=%5C%22"): 200, ("GET", "/v2/images?limit=9999999999999999999"): 400,
    **{("GET", f"/v2/images/{odd}"): 404 for odd in ("%00", "a" * 5000, "no-uuid", "{id}%00", "")},
    **{(method, "/v2/images/"): 404 for method in ("DELETE", "PATCH", "HEAD")},
    ("GET", "/v2/images//"): 404, ("GET", "/v2/images/%00/file"): 404, ("PUT", f"{IMAGE}/tags/"): 404,
    ("GET", "/v2/images/%FF"): 400, ("PUT", f"{IMAGE}/tags/%FF"): 400, ("PUT", f"{IMAGE}/tags/%00"): 400,
    ("DELETE", f"{IMAGE}/tags/%00"): 404, ("DELETE", "/v2/stores/%00/{id}"): 409, ("DELETE", "/v2/images/%00"): 404,
}  # fmt: skip
"""Status by method and path."""


def answers(client: Client) -> dict[tuple[str, str], int]:
    """What they are answered."""
    image_id = client.create(tags=["a"])
    found = {key: client.request(key[0], key[1].replace("{id}", image_id)).status for key in ODD}
    assert client.show(image_id)["tags"] == ["a"]
    return found

"""`{driver-hooks}`: what a driver's author implements, made of the docstrings of the code; see `hook_facts`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import hook_facts
from docutils import nodes
from hook_facts import Hook
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class DriverHooks(SphinxDirective):
    """A section for each class of its argument: `bases` or `capabilities`."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        owners = {"bases": hook_facts.BASES, "capabilities": hook_facts.CAPABILITIES}[self.arguments[0]]
        for owner in owners:
            self.env.note_dependency(inspect.getfile(owner))
        text = "\n".join(line for owner in owners for line in _section(owner))
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def _section(owner: type) -> Iterator[str]:
    yield f"### {owner.__name__}\n\n{inspect.getdoc(owner)}\n"
    for hook in hook_facts.hooks(owner):
        yield from _described(owner, hook)


def _described(owner: type, hook: Hook) -> Iterator[str]:
    """Of a hook. The heading has the name alone: a signature is too long for a small screen."""
    optional = "" if hook.required or getattr(owner, "_is_protocol", False) else " (optional)"
    yield f"#### `{owner.__name__}.{hook.name}`{optional}\n"
    yield f"```python\n{_folded(hook)}\n```\n\n{hook.meaning}\n"
    yield f"- **Thread**: {hook.thread}.\n- **Raises**: {hook.raises}.\n- **Tried again by**: {hook.again}.\n"


def _folded(hook: Hook) -> str:
    """The signature, a parameter a line where it is long."""
    whole = hook.name + hook.signature
    if len(whole) <= 44 or "(" not in whole:
        return whole
    parameters, _, answer = hook.signature[1:].rpartition(")")
    lines = "".join(f"    {each},\n" for each in parameters.split(", "))
    return f"{hook.name}(\n{lines}){answer}"


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("driver-hooks", DriverHooks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""What Axolotl's own schema says of a config: keys that it does not know and would leave out in silence, and why it refuses one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from importlib.metadata import version

from axolotl.integrations.config import merge_input_args
from pydantic import ValidationError


def known() -> set[str]:
    """Every key that Axolotl and the plugins that it has loaded know."""
    fields = merge_input_args()[1].model_fields
    return {*fields, *(field.alias for field in fields.values() if field.alias)}


def unknown(config: Mapping, names: Collection[str]) -> str | None:
    """One sentence on the first key of a config that is none of `names`, with the one that was meant where one is like it; else None."""
    stranger = next((key for key in config if key not in names), None)
    if stranger is None:
        return None
    near = get_close_matches(stranger, names, 1)
    meant = f"; did you mean {near[0]}?" if near else "; leave it out"
    return f"params.yaml: axolotl.{stranger} is no key of Axolotl's ({version('axolotl')}), which would pass over it in silence{meant}"


def why(error: BaseException) -> str:
    """One sentence on a config that Axolotl's schema refuses."""
    if not isinstance(error, ValidationError):
        return f"params.yaml: Axolotl refuses these settings: {' '.join(str(error).split())}"
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    what = first["msg"].removeprefix("Value error, ")
    return f"params.yaml: Axolotl refuses {key or 'these settings'}: {' '.join(what.split())}" + (f", found {first['input']!r:.100}" if key else "")

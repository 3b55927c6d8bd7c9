"""The one reader of params.yaml: a stage sees exactly the keys that dvc.yaml lists under its `params:`, checked against the schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.common.errors import UserError
from stages.common.files import read_text
from stages.common.schemas import validator

# Of a parameter's schema, what a person is told who gave it a value that it does not allow.
TOLD = """
    type enum not minimum maximum exclusiveMinimum exclusiveMaximum pattern minItems uniqueItems minLength items anyOf
""".split()


def read_yaml(path: str | Path) -> Any:
    """Parse YAML 1.2 (where `2e-4` is a number). Raises UserError with file and line."""
    try:
        return YAML(typ="safe", pure=True).load(read_text(path))
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise UserError(f"{path}{line}: not YAML: {' '.join(str(getattr(error, 'problem', error)).split())}") from None


def check(values: Any) -> None:
    """Raise UserError, one sentence with the key, the value and what is allowed, where `values` breaks schemas/params.schema.json."""
    if not isinstance(values, dict):
        raise UserError(f"params.yaml: found {type(values).__name__} at the top; expected the parameters by their names")
    for error in sorted(validator("params").iter_errors(values), key=lambda e: [str(p) for p in e.absolute_path]):
        key = ".".join(str(part) for part in error.absolute_path)
        if error.validator == "additionalProperties":
            extra = sorted(map(str, set(error.instance) - set(error.schema["properties"])))
            names = ", ".join(f"{key}.{name}" if key else name for name in extra)
            raise UserError(f"params.yaml: unknown parameter {names}; allowed here: {', '.join(sorted(error.schema['properties']))}")
        if error.validator == "required":
            missing = sorted(set(error.schema["required"]) - set(error.instance))
            raise UserError(f"params.yaml: missing parameter {', '.join(f'{key}.{name}' if key else name for name in missing)}")
        if key.endswith("api_key_env"):  # what it is could be the key itself
            raise UserError(f"params.yaml: {key} is no name of an environment variable; expected the name of the one that holds the key")
        allowed = {rule: value for rule, value in error.schema.items() if rule in TOLD}
        raise UserError(f"params.yaml: {key} is {json.dumps(error.instance, default=str)}; allowed: {json.dumps(allowed)[1:-1]}")


class Params(Mapping):
    """The parameters that one stage may read, under dotted names: `params["filter.min_words"]`.

    Reading a name that dvc.yaml does not list for the stage raises UserError: DVC would not re-run the stage for it.
    """

    def __init__(self, stage: str, declared: list[str], values: dict):
        self._stage, self._declared, self._values = stage, declared, values

    def __getitem__(self, name: str) -> Any:
        if not any(name == key or name.startswith(f"{key}.") for key in self._declared):
            raise UserError(f"stage {self._stage} reads the parameter {name}, which its params in dvc.yaml do not list")
        value: Any = self._values
        for part in name.split("."):
            value = value[part]
        return value

    def __iter__(self):
        return iter(self._declared)

    def __len__(self) -> int:
        return len(self._declared)


def load(stage: str, folder: str | Path = ".") -> Params:
    """The parameters of `stage` from params.yaml and dvc.yaml in `folder`.

    Raises UserError for YAML that cannot be read, an unknown, missing or out-of-range parameter, or a stage that is not there.
    """
    folder = Path(folder)
    values = read_yaml(folder / "params.yaml")
    check(values)
    stages = read_yaml(folder / "dvc.yaml")["stages"]
    if stage not in stages:
        raise UserError(f"dvc.yaml has no stage {stage}")
    return Params(stage, list(stages[stage].get("params", [])), values)

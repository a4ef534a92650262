"""YAML as people mean it: YAML 1.2's plain scalars, and no key twice."""

import re
from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    """A safe loader in which `1e-4` is a number, `1:30`, `no` and `2024-01-01` are text."""

    yaml_implicit_resolvers: dict[str, list[Any]] = {}  # noqa: RUF012  # PyYAML declares it so

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # Any: PyYAML
        """Build a mapping and refuse a key that stands in it twice."""
        keys = [key.value for key, _ in node.value]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {twice!r} stands twice; remove one", node.start_mark
            )
        return super().construct_mapping(node, deep)


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("int", r"[-+]?\d+", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?|[-+]?\.(inf|Inf)|\.(nan|NaN)",
        "-+.0123456789",
    ),
    ("merge", r"<<", "<"),
):
    _firsts = [*_first.replace("\0", ""), *([""] if "\0" in _first else [])]
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _firsts
    )


def _whole_number(loader: _Loader, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node))


_Loader.add_constructor("tag:yaml.org,2002:int", _whole_number)  # PyYAML reads 010 as 8


class _Dumper(yaml.SafeDumper):
    """A dumper that puts quotes around text which the loader would read as something else."""

    yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers


def parse_yaml(text: str) -> Any:  # Any: whatever the text holds
    """Return the plain values in `text`.

    Raises
    ------
    yaml.YAMLError
        Where the text is not YAML, or a mapping has a key twice.
    """
    return yaml.load(text, Loader=_Loader)  # a subclass of SafeLoader


def dump_yaml(values: object) -> str:
    """Return plain values as YAML that `parse_yaml` reads back, keys in their own order."""
    return yaml.dump(
        values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=None
    )

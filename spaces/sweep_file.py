"""The sweep file: reading it with overrides, all its problems at once, and writing it."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from spaces.atomic import write_text
from spaces.errors import UserError
from spaces.problem import Location, Problem, problems_of
from spaces.sweep_spec import SweepSpec, both_places
from spaces.yaml_text import dump_yaml, parse_yaml

RawSweep = dict[str, Any]  # Any: what a file holds before it is checked

_MAX_ROUNDS = 5
_SCHEMES = ("synthetic", "medmnist")


class SweepError(UserError):
    """A sweep file that cannot be run; the message has a line for every reason."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("\n".join(lines))


def load_sweep(
    path: Path, overrides: Sequence[str] = (), *, backbones: Collection[str] | None = None
) -> SweepSpec:
    """Read a sweep file.

    Parameters
    ----------
    path : Path
        The YAML file. Paths in it are relative to its folder.
    overrides : sequence of str
        `key.key=value` lines that replace single values; paths in them are relative to the
        working directory, and `space.name=null` takes a parameter out of the space.
    backbones : collection of str, optional
        Valid names of backbones; not checked where None.

    Raises
    ------
    SweepError
        With one line for every problem, each naming file, field, value, rule and remedy.
    """
    raw = _read(path)
    _make_paths_absolute(raw, path.absolute().parent)
    overridden = [_apply(raw, override) for override in overrides]
    context = {"backbones": backbones} if backbones is not None else None
    problems = find_problems(raw, context)
    if problems:
        origin = {True: "--set", False: str(path)}
        lines = [f"{origin[_is_from(p.where, overridden)]}: {p}" for p in problems]
        raise SweepError(lines)
    return SweepSpec.model_validate(raw, context=context)


def check_changes(overrides: Sequence[str], may_change: Sequence[str]) -> None:
    """Raise a `SweepError` where an override of a run changes another field than these."""
    for line in overrides:
        if not line.startswith(tuple(may_change)):
            known = ", ".join(may_change)
            raise SweepError([f"--set {line}: a run keeps its meaning; only {known} may change"])


def check_backbones(sweep: SweepSpec, backbones: Collection[str]) -> None:
    """Raise a `SweepError` where a backbone of a sweep that was made in Python is none of these."""
    problems = find_problems(plain_sweep(sweep), {"backbones": backbones})
    if problems:
        raise SweepError([str(problem) for problem in problems])


def save_sweep(sweep: SweepSpec, path: Path) -> None:
    """Write `sweep` with every default filled in, as `load_sweep` reads it back.

    A manifest that lies beside the file is named without its folder, so that both may be moved.
    """
    plain = plain_sweep(sweep)
    keep = sweep.data.keep
    if keep and Path(keep).parent == path.absolute().parent:
        plain["data"]["keep"] = Path(keep).name
    write_text(path, dump_yaml(plain))


def plain_sweep(sweep: SweepSpec) -> RawSweep:
    """Return `sweep` as plain values, defaults filled in but for what is searched."""
    plain = sweep.model_dump(mode="json")
    plain["space"] = sweep.space.model_dump(mode="json", exclude_defaults=True)
    for name in plain["space"]:
        plain["trial"].pop(name)
    return plain


def find_problems(raw: RawSweep, context: dict[str, Collection[str]] | None) -> list[Problem]:
    """Return all that is wrong; what is wrong is left out, so that the rest can be checked."""
    fixed, searched = raw.get("trial"), raw.get("space")
    problems: list[Problem] = []
    if isinstance(fixed, dict) and isinstance(searched, dict):
        problems += both_places(fixed, searched)
    removed: list[Location] = []
    for _ in range(_MAX_ROUNDS):
        try:
            SweepSpec.model_validate(raw, context=context)
        except ValidationError as error:
            found = [p for p in problems_of(error, SweepSpec) if p not in problems]
            problems += [p for p in found if p.where not in removed]
            removed += [p.where for p in found]
            raw = _without(raw, removed)
        else:
            break
    return problems


def _read(path: Path) -> RawSweep:
    try:
        raw = parse_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SweepError([f"{path}: no such sweep file; write one with `cytosweep init`"]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SweepError([f"{path}: cannot be read as text ({error}); give a YAML file"]) from error
    except yaml.YAMLError as error:
        raise SweepError([f"{path}: is not YAML: {' '.join(str(error).split())}"]) from error
    if not isinstance(raw, dict):
        what = "empty" if raw is None else f"a {type(raw).__name__}"
        raise SweepError([f"{path}: is {what}, but must map keys to values; see `cytosweep init`"])
    return raw


def _make_paths_absolute(raw: RawSweep, folder: Path) -> None:
    """Put absolute paths in the places of data, their manifest, local weights, earlier runs."""
    space, search = raw.get("space"), raw.get("search")
    for part, key in (("data", "source"), ("data", "keep"), ("trial", "weights")):
        values = raw.get(part)
        if isinstance(values, dict) and isinstance(values.get(key), str) and values[key]:
            values[key] = absolute_source(values[key], folder)
    searched = space.get("weights") if isinstance(space, dict) else None
    for holder, key in ((searched, "choice"), (search, "learn_from")):
        if isinstance(holder, dict) and isinstance(holder.get(key), list):
            holder[key] = [
                absolute_source(path, folder) if isinstance(path, str) and path else path
                for path in holder[key]
            ]


def absolute_source(source: str, folder: Path) -> str:
    """Return `source` with its path made absolute from `folder`; `scheme:name` stays."""
    if source.partition(":")[0] in _SCHEMES:
        return source
    if source.startswith("~/"):
        source = str(Path(source).expanduser())
    return str((folder / source).resolve())


def _apply(raw: RawSweep, override: str) -> Location:
    """Put one `key.key=value` into `raw` and return its path of keys."""
    dotted, equals, text = override.partition("=")
    keys = dotted.strip().split(".")
    if not equals or not all(keys):
        raise SweepError([f"--set {override}: must have the form key.key=value"])
    try:
        value = parse_yaml(text)
    except yaml.YAMLError as error:
        line = f"--set {override}: the value is not YAML: {' '.join(str(error).split())}"
        raise SweepError([line]) from error
    fresh = value
    for key in reversed(keys):
        fresh = {key: fresh}
    _make_paths_absolute(fresh, Path.cwd())
    inner = raw
    for depth, key in enumerate(keys[:-1]):
        fresh = fresh[key]
        inner[key] = inner.get(key) if inner.get(key) is not None else {}
        inner = inner[key]
        if not isinstance(inner, dict):
            above = ".".join(keys[: depth + 1])
            raise SweepError([f"--set {override}: {above} is a single value, it has no keys"])
    if keys[0] == "space" and len(keys) == len(("space", "name")) and value is None:
        inner.pop(keys[-1], None)
    else:
        inner[keys[-1]] = fresh[keys[-1]]
    return tuple(keys)


def _is_from(where: Location, overridden: Sequence[Location]) -> bool:
    return any(keys and where[: len(keys)] == keys for keys in overridden)


def _without(raw: RawSweep, wheres: Sequence[Location]) -> RawSweep:
    """Return a copy of `raw` without what stands at `wheres`; of space and search, whole keys."""
    wheres = [where[:2] if where[:1] in (("space",), ("search",)) else where for where in wheres]

    def copy(value: object, where: Location) -> object:
        if not isinstance(value, dict):
            return value
        kept = {k: v for k, v in value.items() if (*where, k) not in wheres}
        return {k: copy(v, (*where, k)) for k, v in kept.items()}

    return {key: copy(value, (key,)) for key, value in raw.items() if (key,) not in wheres}

"""Ready sweep files: commented texts that a user copies and edits."""

from importlib.resources import files

from spaces.errors import UserError, did_you_mean

_FOLDER = files("spaces") / "preset_files"


def preset_names() -> list[str]:
    """Return the names of all presets, sorted."""
    return sorted(file.name.removesuffix(".yaml") for file in _FOLDER.iterdir())


def preset_text(name: str) -> str:
    """Return the commented sweep file of the preset `name`.

    Raises
    ------
    UserError
        Where there is no such preset.
    """
    if name not in preset_names():
        known = ", ".join(preset_names())
        raise UserError(
            f"preset is {name!r}, but must be one of {known}{did_you_mean(name, preset_names())}"
        )
    return (_FOLDER / f"{name}.yaml").read_text(encoding="utf-8")

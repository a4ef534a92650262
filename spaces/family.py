"""Families of backbones: the first word of a model's name."""

_WHOLE_NAMES = ("custom_cnn",)
_PREFIXES = ("tf", "legacy")


def backbone_family(backbone: str) -> str:
    """Return `mobilenetv3` for `mobilenetv3_small_100` and for `tf_mobilenetv3_large_100`."""
    if backbone in _WHOLE_NAMES:
        return backbone
    words = backbone.split(".")[0].split("_")
    return words[1] if words[0] in _PREFIXES and len(words) > 1 else words[0]

import math

import pytest
import yaml

from spaces.yaml_text import dump_yaml, parse_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4), ("1E5", 1e5), ("1.0e-4", 1e-4), (".5", 0.5), ("5.", 5.0), ("-3", -3),
        ("+3", 3), ("0", 0), ("1:30", "1:30"), ("1:30.5", "1:30.5"), ("no", "no"), ("On", "On"),
        ("2024-01-01", "2024-01-01"), ("1_000", "1_000"), ("0x1f", "0x1f"), ("20m", "20m"),
        ("true", True), ("False", False), ("null", None), ("~", None), ("", None),
        ("'1e-4'", "1e-4"), ('"null"', "null"), ("010", 10), ("08", 8), ("-012", -12),
        (".inf", math.inf), ("-.Inf", -math.inf), (".NaN", math.nan),
    ],
)  # fmt: skip
def test_plain_scalar_is_read_as_people_mean_it(text, value):
    read = parse_yaml(f"key: {text}")["key"]
    assert repr(read) == repr(value)


@pytest.mark.parametrize("text", ["a: 1\na: 2", "{a: 1, b: 2, a: 3}", "outer:\n  a: 1\n  'a': 2"])
def test_key_that_stands_twice_is_refused_by_name_and_line(text):
    with pytest.raises(yaml.YAMLError, match=r"the key 'a' stands twice; remove one") as caught:
        parse_yaml(text)
    assert "line" in str(caught.value)


@pytest.mark.parametrize("text", ["a: {b", "? [a]\n: 3", "!!python/object:os.system x", "a: b: c"])
def test_what_is_not_plain_yaml_is_refused(text):
    with pytest.raises(yaml.YAMLError):
        parse_yaml(text)


@pytest.mark.parametrize(
    "value",
    ["1e-4", "1:30", "no", "null", "", "true", "010", "~", ".inf", "Zelle", 1e-5, 1e22, -0.0,
     True, None, 3, "a: b", "# no comment", " padded ", "two\nlines"],
)  # fmt: skip
def test_dumped_value_is_read_back_with_its_type(value):
    read = parse_yaml(dump_yaml({"key": [value]}))["key"][0]
    assert repr(read) == repr(value)


def test_dump_keeps_the_order_of_keys_and_writes_umlauts():
    assert dump_yaml({"z": {"größe": 2}, "a": 1}) == "z: {größe: 2}\na: 1\n"

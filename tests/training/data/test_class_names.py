import os
import unicodedata
from pathlib import Path

import pytest

from training.config.errors import DataError
from training.data.class_names import class_name, name_key


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_name_in_any_normal_form_is_one_class(form: str):
    assert class_name(Path("a", unicodedata.normalize(form, "café"))) == "caf\u00e9"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("caf\u00e9", "cafe\u0301", True),
        ("CAF\u00c9", "cafe\u0301", True),
        ("Cat ", "cat", True),
        ("straße", "STRASSE", True),
        ("cat", "cats", False),
        ("cafe", "café", False),
    ],
)
def test_spellings_of_one_name(one: str, other: str, same: bool):
    assert (name_key(one) == name_key(other)) is same


def test_a_name_that_is_no_text_is_refused():
    with pytest.raises(DataError, match=r"^a/caf\\xe9: the folder's name is no UTF-8 text"):
        class_name(Path("a", os.fsdecode(b"caf\xe9")))

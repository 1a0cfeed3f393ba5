"""Request fields that no other option has."""

from typing import Any

import pytest

from apimodels_async.cli import exit_codes
from apimodels_async.cli.extra import extra_body
from apimodels_async.cli.failures import CommandFailed


@pytest.mark.parametrize(
    ("extra", "settings", "fields"),
    [
        (None, None, None),
        (None, [], None),
        ("{}", [], None),
        ('{"background": "transparent", "width": 512}', [], {"background": "transparent", "width": 512}),
        (None, ["width=512", "tall=true", "gap=null"], {"width": 512, "tall": True, "gap": None}),
        (None, ["style=ink and wash"], {"style": "ink and wash"}),
        (None, ["style=", "equation=a=b", " loras =[1, 2]"], {"style": "", "equation": "a=b", "loras": [1, 2]}),
        (None, ["scale=NaN", "text={", 'word="7"'], {"scale": "NaN", "text": "{", "word": "7"}),
        ('{"width": 256}', ["width=512", "width=1024"], {"width": 1024}),
    ],
)
def test_fields_are_json_or_else_text_and_the_last_one_counts(
    extra: str | None, settings: list[str] | None, fields: dict[str, Any] | None
) -> None:
    assert extra_body(extra, settings) == fields


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["width"], "--set 'width': give NAME=VALUE"),
        (["=512"], "--set '=512': give NAME=VALUE"),
    ],
)
def test_what_cannot_be_read_names_the_option(settings: list[str], words: str) -> None:
    with pytest.raises(CommandFailed) as failed:
        extra_body(None, settings)
    assert failed.value.message.startswith(words)
    assert failed.value.code == exit_codes.USAGE

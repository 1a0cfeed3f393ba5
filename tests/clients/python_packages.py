"""Packages of PyPI that make pictures: OpenAI's own, and two that others put on top of it."""

import base64
import importlib.metadata
import os
from typing import Any
from unittest import mock

import httpx
import pytest

from tests.clients.workplace import MODEL, Workplace, size_of


def check_openai(place: Workplace) -> str:
    """Generate, edit and list, with nothing but ``base_url`` changed."""
    import openai

    client = openai.OpenAI(api_key=place.gateway.api_key, base_url=place.gateway.base_url, max_retries=0)
    with client:
        made = client.images.generate(model=MODEL, prompt="a fox", n=2, size="1024x1024", quality="low")
        assert [size_of(base64.b64decode(each.b64_json or "")) for each in made.data or []] == [(1024, 1024)] * 2
        picture, mask = place.picture("cat.png"), place.picture("mask.png", colour=(0, 0, 0, 0))
        with picture.open("rb") as image, mask.open("rb") as masked:
            edited = client.images.edit(model=MODEL, image=image, mask=masked, prompt="in a boat", size="1024x1024")
        assert len(edited.data or []) == 1
        with picture.open("rb") as image, mask.open("rb") as second:
            fused = client.images.edit(model=MODEL, image=[image, second], prompt="both", response_format="url")
        assert size_of(httpx.get((fused.data or [])[0].url or "", trust_env=False, timeout=60).content)
        assert MODEL in {model.id for model in client.models.list()}
        with pytest.raises(openai.BadRequestError) as refused:
            client.images.generate(model=MODEL, prompt="contraband", size="auto")
        assert refused.value.code == "moderation_blocked"
    return openai.__version__


def check_litellm(place: Workplace) -> str:
    """Its image generation, by the provider for addresses that speak OpenAI's shape."""
    with mock.patch.dict(os.environ, {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}):  # or it would fetch one
        import litellm

    made: Any = litellm.image_generation(
        prompt="a fox",
        model=f"openai/{MODEL}",
        size="1024x1024",
        api_key=place.gateway.api_key,
        api_base=place.gateway.base_url,
    )
    assert size_of(base64.b64decode(made.data[0].b64_json)) == (1024, 1024)
    return importlib.metadata.version("litellm")


def check_langchain(place: Workplace) -> str:
    """The tool that its agents call: it returns a link."""
    from langchain_community.utilities.dalle_image_generator import DallEAPIWrapper

    settings = {"OPENAI_API_KEY": place.gateway.api_key, "OPENAI_API_BASE": place.gateway.base_url}
    with mock.patch.dict(os.environ, settings):
        tool = DallEAPIWrapper(model=MODEL, n=1, size="1024x1024")
        link = tool.run("a fox")
    assert size_of(httpx.get(link, trust_env=False, timeout=60).content) == (1024, 1024)
    return importlib.metadata.version("langchain-community")

"""``POST /chat/completions``, as far as the vendor's MCP server asks it about a picture: it compares it with a brief.

No model looks at the picture. What it shows is read from its file: the gateway writes the prompt into what it paints.
"""

import io
import json
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import cast

from attrs import frozen
from PIL import Image
from starlette.requests import Request
from starlette.responses import Response

from apimodels_async.gateway.create_request import ImageSource, picture_source
from apimodels_async.gateway.envelope import json_reply
from apimodels_async.gateway.inputs import FORMATS, inspect
from apimodels_async.gateway.json_body import json_object
from apimodels_async.gateway.loading import InputLoader
from apimodels_async.gateway.refusals import Refusal
from apimodels_async.gateway.requests import RequestBody, origin_of
from apimodels_async.gateway.workers import Workers

__all__ = ["Question", "Reviews", "read_question", "review"]

_DESCRIPTION = 0x010E


@frozen
class Question:
    """What is asked.

    Attributes:
        model: the model that should answer.
        brief: what the picture should show.
        picture: its URL, or its bytes.
    """

    model: str
    brief: str
    picture: ImageSource


class Reviews:
    """The endpoint.

    Args:
        loader: fetches the picture.
        readers: the threads to read it in.
        now: the clock, epoch milliseconds.
    """

    def __init__(self, *, loader: InputLoader, readers: Workers, now: Callable[[], int]) -> None:
        self._loader = loader
        self._readers = readers
        self._now = now

    async def answer(self, request: Request, body: RequestBody) -> Response:
        """Answer in the shape of a chat."""
        question = await self._readers.read(body.data, lambda: read_question(json_object(body.data)))
        data = await self._loader.fetch(question.picture, origin_of(request))
        words = await self._readers.run(partial(review, data, question.brief))
        choice = {"index": 0, "message": {"role": "assistant", "content": words}, "finish_reason": "stop"}
        return json_reply(
            {
                "id": f"chatcmpl-{secrets.token_hex(12)}",
                "object": "chat.completion",
                "created": self._now() // 1000,
                "model": question.model,
                "choices": [choice],
            }
        )


def read_question(fields: Mapping[str, object]) -> Question:
    """The question in the messages of a chat.

    Raises:
        Refusal: there is no picture, or no text.
    """
    model = fields.get("model")
    texts: list[str] = []
    urls: list[str] = []
    for name, part in _parts(fields.get("messages")):
        text, url = part.get("text"), part.get("image_url")
        if isinstance(url, dict):
            url = cast("dict[str, object]", url).get("url")
        if isinstance(text, str):
            texts.append(text)
        if isinstance(url, str):
            urls.append(url)
        if not isinstance(text, str) and not isinstance(url, str):
            raise Refusal(400, f"{name}: give a text or an image_url")
    if not isinstance(model, str) or not model:
        raise Refusal(400, "model is missing")
    if not texts or not urls:
        raise Refusal(400, "messages: only questions about a picture are answered: give a text and an image_url")
    brief = texts[-1].partition("BRIEF:")[2].strip() or texts[-1].strip()
    return Question(model, brief, picture_source("image_url", urls[-1]))


def _parts(messages: object) -> Iterator[tuple[str, dict[str, object]]]:
    """The parts of all contents, with their names. A content that is text alone has none."""
    for number, message in enumerate(cast("list[object]", messages) if isinstance(messages, list) else []):
        content = cast("dict[str, object]", message).get("content") if isinstance(message, dict) else None
        name = f"messages[{number}].content"
        if not isinstance(content, list | str):
            raise Refusal(400, f"{name}: give text, or a list of texts and pictures")
        for place, part in enumerate(cast("list[object]", content) if isinstance(content, list) else []):
            yield f"{name}[{place}]", cast("dict[str, object]", part) if isinstance(part, dict) else {}


def review(data: bytes, brief: str) -> str:
    """Compare the prompt that a picture was painted from with a brief.

    Raises:
        Refusal: it is no picture.
    """
    inspect("image_url", data, clock=time.thread_time)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            size, prompt = picture.size, _prompt_of(picture)
    except Exception as error:  # a broken file makes Pillow's readers raise nearly anything
        raise Refusal(400, "image_url: there is no picture that can be read at this URL") from error
    wanted = _words(brief)
    shown = set(_words(prompt or ""))
    found = [word for word in wanted if word in shown]
    missing = [word for word in wanted if word not in shown]
    matches = f"{', '.join(found) or 'nothing'}; it has {size[0]}x{size[1]} pixels"
    source = "its prompt is not in its file" if prompt is None else "its prompt says nothing of them"
    problems = f"{', '.join(missing)}: {source}" if missing else "none"
    revised = " ".join(filter(None, (prompt, *missing))) if missing else "No changes needed"
    return f"1. MATCHES — {matches}\n2. PROBLEMS — {problems}\n3. REVISED PROMPT — {revised}"


def _words(text: str) -> list[str]:
    return list(dict.fromkeys(re.findall(r"\w+", text.lower())))


def _prompt_of(picture: Image.Image) -> str | None:
    """The prompt that the gateway's painter wrote into a file."""
    text = picture.info.get("prompt")
    if isinstance(text, str):
        return text
    try:
        told: object = json.loads(str(Image.Image.getexif(picture).get(_DESCRIPTION, "")))
    except (ValueError, RecursionError):
        return None
    found = cast("dict[str, object]", told).get("prompt") if isinstance(told, dict) else None
    return found if isinstance(found, str) else None

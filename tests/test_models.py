import array
import base64
import inspect
import io
import json
import pickle
from collections import UserList, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, fields
from attrs.exceptions import FrozenInstanceError
from PIL import Image

from apimodels_async.errors import DownloadError
from apimodels_async.models import UNSET, GenerationRequest, Outcome, SupportsSave, Task, TaskState, Unset

SECRET = b"these are the pixels of a picture nobody may see in a log " * 8
PATH = "bearer-token-in-the-path"


def request(**given: Any) -> GenerationRequest:
    return GenerationRequest(**{"prompt": "a cat", **given})


# --- what a request refuses


@pytest.mark.parametrize(
    ("argument", "value", "right"),
    [
        ("prompt", "", "text that is not empty"),
        ("prompt", " \n\t", "text that is not empty"),
        ("prompt", "\u200b\ufeff\u2060\u3164", "text that is not empty"),
        ("prompt", "a\x00cat", "without control characters (it has U+0000 at character 2)"),
        ("prompt", "a cat\x1b[0m", "without control characters (it has U+001B at character 6)"),
        ("prompt", "a\rcat", "without control characters (it has U+000D at character 2)"),
        ("prompt", "a\x85cat", "without control characters (it has U+0085 at character 2)"),
        ("model", "m\x00", "without control characters"),
        ("model", "", "text that is not empty"),
        ("model", "  ", "text that is not empty"),
        ("size", "", "1024x1024"),
        ("size", "1024", "1024x1024"),
        ("size", "1024X1024", "1024x1024"),
        ("size", "0x1024", "1024x1024"),
        ("size", "1024x0", "1024x1024"),
        ("size", "01024x1024", "1024x1024"),
        ("size", "-1x1", "1024x1024"),
        ("size", "1024 x 1024", "1024x1024"),
        ("size", "1024x1024\n", "1024x1024"),
        ("size", "123456x1024", "1024x1024"),
        ("size", "\u0661\u0660x\u0661\u0660", "1024x1024"),
        ("size", "1024x1024!", "extra_body"),
        ("size", "2k 4k", '"2K" or "auto"'),
        ("size", "x", "1024x1024"),
        ("size", "auto_", "1024x1024"),
        ("n", 0, "at least 1"),
        ("n", -3, "at least 1"),
        ("images", [], "at least one picture, or leave it out"),
        ("callback_url", "", "absolute http(s) URL"),
        ("callback_url", "example.com/hook", "absolute http(s) URL"),
        ("callback_url", "/hook", "absolute http(s) URL"),
        ("callback_url", "ftp://example.com/hook", "absolute http(s) URL"),
        ("callback_url", "https://", "absolute http(s) URL"),
        ("callback_url", "https:///hook", "absolute http(s) URL"),
        ("callback_url", "https://example.com/a hook", "absolute http(s) URL"),
        ("callback_url", "https://example.com/hook\n", "absolute http(s) URL"),
        ("aspect_ratio", "16x9", "16:9"),
        ("aspect_ratio", "16:", "16:9"),
        ("aspect_ratio", "0:9", "16:9"),
        ("aspect_ratio", "16:9:1", "16:9"),
        ("aspect_ratio", "0.0:1", "16:9"),
        ("aspect_ratio", "1:0", "16:9"),
        ("aspect_ratio", "as wide as it is", "extra_body"),
        ("resolution", "20", '"1K", "2K" or "4K"'),
        ("resolution", "K", '"1K", "2K" or "4K"'),
        ("resolution", "2M", '"1K", "2K" or "4K"'),
        ("resolution", "2K!", "extra_body"),
        ("quality", "very best", "'low', 'medium', 'high', 'auto'"),
        ("quality", "100%", "extra_body"),
        ("quality", "", "'low'"),
        ("output_format", "gif", "'png', 'jpeg', 'webp'"),
        ("output_format", "PNG", "extra_body"),
    ],
)
def test_a_value_the_server_could_not_accept_is_refused_by_name_and_with_what_would_be_right(
    argument: str, value: object, right: str
) -> None:
    with pytest.raises(ValueError) as refusal:  # noqa: PT011  (the message is the point, and is looked at below)
        request(**{argument: value})

    message = str(refusal.value)
    # A callback URL is not quoted: it may hold a token.
    assert message.startswith("callback_url: " if argument == "callback_url" else f"{argument}=")
    assert right in message


@pytest.mark.parametrize(
    ("argument", "value", "right"),
    [
        ("prompt", None, "text"),
        ("prompt", b"a cat", "text"),
        ("prompt", 7, "text"),
        ("model", 7, "text"),
        ("size", (1024, 1024), "1024x1024"),
        ("size", 1024, "1024x1024"),
        ("n", "2", "whole number"),
        ("n", 2.0, "whole number"),
        ("n", True, "whole number"),
        ("seed", "7", "whole number"),
        ("seed", False, "whole number"),
        ("callback_url", b"https://example.com", "absolute http(s) URL"),
        ("aspect_ratio", 1.5, "16:9"),
        ("resolution", 2, '"1K", "2K" or "4K"'),
        ("image", object(), "is a object: give a URL, a data: URI, a path, bytes, a binary file or a Pillow image"),
        ("image", 7, "is a int: give a URL"),
        ("image", array.array("B", SECRET), "is a array: give a URL"),
        ("image", io.BytesIO, "is a type: give a URL"),
        ("images", [b"x", 7], "is a int: give a URL"),
        ("extra_body", {"style": {"ink"}}, "cannot be written as JSON: Object of type set is not JSON serializable"),
        ("extra_body", [("style", "ink")], "mapping"),
        ("extra_body", "style=ink", "mapping"),
        ("images", "https://example.com/a.png", "a list of pictures; a single one goes to image"),
        ("images", b"bytes", "a list of pictures"),
        ("images", bytearray(b"bytes"), "a list of pictures"),
        ("images", memoryview(b"bytes"), "a list of pictures"),
        ("images", Path("a.png"), "a list of pictures"),
        ("images", {"a.png"}, "a list of pictures"),
        ("images", (picture for picture in [b"x"]), "a list of pictures"),
    ],
)
def test_an_argument_of_the_wrong_kind_is_refused_by_name_and_with_what_would_be_right(
    argument: str, value: object, right: str
) -> None:
    with pytest.raises(TypeError) as refusal:
        request(**{argument: value})

    message = str(refusal.value)
    assert message.startswith(argument)
    assert right in message


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"image": b"x", "images": [b"y"]}, "image and images: give one of the two"),
        ({"mask": b"x"}, "mask: give the image it belongs to as well"),
        ({"image": b"x", "mask": "https://example.com/mask.png"}, "mask is a URL.*give the mask's path or bytes"),
        ({"images": [b"x"], "mask": "HTTP://example.com/mask.png"}, "mask is a URL"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        request(**given)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"x": float("inf")}, "Out of range float values"),
        ({"x": [float("nan")]}, "Out of range float values"),
        ({"x": "\ud83d"}, "it has half of a surrogate pair"),
        ({"x": 10**5000}, "Exceeds the limit"),
    ],
)
def test_an_extra_body_that_json_cannot_hold_is_refused(value: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=f"^extra_body: cannot be written as JSON: .*{reason}"):
        request(extra_body=value)


@pytest.mark.parametrize("argument", ["n", "seed"])
@pytest.mark.parametrize("value", [2**256, 10**5000], ids=["257 bits", "5001 digits"])
def test_a_number_too_large_to_be_written_is_refused(argument: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"^{argument}: give a whole number of at most 256 bits$"):
        request(**{argument: value})


@pytest.mark.parametrize(
    "given",
    [
        {"prompt": "猫"},
        {"prompt": "two\r\nlines\tand more\n"},
        {"prompt": "👩\u200d👩"},
        {"model": "a-model/nobody-has-heard-of"},
        {"size": "1x1"},
        {"size": "99999x1"},
        {"n": 1},
        {"n": 50},
        {"seed": 0},
        {"seed": -1},
        {"seed": 2**70},
        {"aspect_ratio": "16:9"},
        {"aspect_ratio": "9999:1"},
        {"resolution": "1K"},
        {"resolution": "4k"},
        {"resolution": "0.5K"},
        {"resolution": "512"},
        {"resolution": "2048"},
        {"resolution": "720p"},
        {"size": "2K"},
        {"size": "4k"},
        {"size": "auto"},
        {"size": "1024*1024"},
        {"size": "square_hd"},
        {"size": "landscape_16_9"},
        {"aspect_ratio": "auto"},
        {"aspect_ratio": "custom", "extra_body": {"width": 256, "height": 1440}},
        {"aspect_ratio": "match_input_image"},
        {"aspect_ratio": "2.35:1"},
        {"quality": "auto"},
        {"quality": "max"},
        {"quality": "HIGH"},
        {"output_format": "webp"},
        {"callback_url": "http://127.0.0.1:9/hook?x=1"},
        {"callback_url": "HTTPS://example.com"},
        {"extra_body": {"style": "ink"}},
        {"extra_body": {}},
        {"image": "https://example.com/a.png"},
        {"image": "a.png"},
        {"image": Path("a.png")},
        {"image": b"x"},
        {"image": bytearray(b"x")},
        {"image": memoryview(b"x")},
        {"image": io.BytesIO(b"x")},
        {"image": Image.new("RGB", (1, 1))},
        {"images": ("a.png", b"x"), "mask": "mask.png"},
        {"images": (b"x",)},
        {"image": b"x", "mask": "data:image/png;base64,AAAA"},
    ],
)
def test_a_value_the_server_may_accept_is_kept_as_it_is(given: dict[str, Any]) -> None:
    made = request(**given)

    assert {name: getattr(made, name) for name in given} == given


def test_a_long_wrong_value_is_not_repeated_at_length() -> None:
    with pytest.raises(ValueError, match="size=") as refusal:
        request(size="1" * 100_000)

    assert len(str(refusal.value)) < 300


def test_only_the_prompt_is_given_by_position() -> None:
    with pytest.raises(TypeError):
        GenerationRequest("a cat", "a-model")  # type: ignore[call-arg]


def test_what_is_left_out_is_none() -> None:
    made = GenerationRequest("a cat")

    assert {field.name for field in fields(GenerationRequest) if getattr(made, field.name) is None} == {
        field.name for field in fields(GenerationRequest)
    } - {"prompt"}


def test_a_changed_request_is_checked_again() -> None:
    with pytest.raises(ValueError, match="n=0"):
        evolve(request(n=1), n=0)


# --- frozen


@pytest.mark.parametrize(
    "value",
    [
        GenerationRequest("a cat"),
        Task(id="t", state=TaskState.PENDING),
        Outcome(index=0, request=GenerationRequest("a cat")),
    ],
)
def test_a_value_cannot_be_changed_or_added_to(value: GenerationRequest | Task | Outcome) -> None:
    for field in fields(type(value)):
        with pytest.raises(FrozenInstanceError):
            setattr(value, field.name, None)
        with pytest.raises(FrozenInstanceError):
            delattr(value, field.name)
    with pytest.raises((AttributeError, TypeError)):
        object.__setattr__(value, "something_new", 1)


# --- reprs


@pytest.mark.parametrize("module", ["", ".callbacks", ".gateway", ".ledger", ".pacing", ".models", ".errors"])
def test_no_public_object_has_a_repr_that_raises_where_it_is_half_made(module: str) -> None:
    front = import_module(f"apimodels_async{module}")
    kinds = [kind for name in front.__all__ if inspect.isclass(kind := getattr(front, name))]
    for kind in kinds:
        if not inspect.isabstract(kind) and not issubclass(kind, Enum) and not getattr(kind, "_is_protocol", False):
            with suppress(TypeError):  # a named tuple cannot be half made
                assert repr(kind.__new__(kind))


def local_forms() -> list[Callable[[], object]]:
    uri = "data:image/png;base64," + base64.b64encode(SECRET).decode()
    return [
        lambda: SECRET,
        lambda: bytearray(SECRET),
        lambda: memoryview(SECRET),
        lambda: io.BytesIO(SECRET),
        lambda: uri,
        lambda: base64.b64encode(SECRET).decode(),
        lambda: Image.frombytes("L", (8, len(SECRET) // 8), SECRET),
    ]


@pytest.mark.parametrize("form", local_forms())
@pytest.mark.parametrize("where", ["image", "mask", "images", "tuple of images"])
def test_a_repr_never_shows_a_picture(form: Callable[[], object], where: str) -> None:
    forms: dict[str, dict[str, Any]] = {
        "image": {"image": form()},
        "mask": {"image": "a.png", "mask": form()},
        "images": {"images": ["a.png", form()]},
        "tuple of images": {"images": (form(),)},
    }

    made = request(**forms[where])

    for shown in (repr(made), repr(Outcome(index=0, request=made))):
        assert len(shown) < 600
        assert "pixels of a picture" not in shown
        assert base64.b64encode(SECRET).decode()[60:100] not in shown


def test_a_repr_says_how_big_a_picture_is() -> None:
    assert f"image=<{len(SECRET)} bytes>" in repr(request(image=SECRET))
    assert f"images=[<{len(SECRET)} bytes>, 'a.png']" in repr(request(images=[SECRET, "a.png"]))
    assert "characters)'" in repr(request(image="data:image/png;base64," + "A" * 500))


def test_a_repr_shows_a_link_and_a_path() -> None:
    shown = repr(request(images=["https://example.com/a.png", Path("b.png")]))

    assert "https://example.com/a.png" in shown
    assert "b.png" in shown


@pytest.mark.parametrize("url", [f"https://hooks.example:8443/{PATH}", f"https://hooks.example:8443/a/{PATH}?x={PATH}"])
def test_a_repr_shows_a_callbacks_host_and_nothing_of_its_path(url: str) -> None:
    shown = repr(request(callback_url=url))

    assert "callback_url='https://hooks.example:8443/…'" in shown
    assert PATH not in shown


def test_a_repr_shows_that_there_is_no_callback() -> None:
    assert "callback_url=None" in repr(request())


def test_a_tasks_repr_shows_neither_a_picture_inside_it_nor_the_raw_answer() -> None:
    uri = "data:image/png;base64," + base64.b64encode(SECRET).decode()
    task = Task(
        id="t", state=TaskState.COMPLETED, result_urls=("https://example.com/a.png", uri), raw={"b64_json": uri}
    )

    shown = repr(task)

    assert "https://example.com/a.png" in shown
    assert base64.b64encode(SECRET).decode()[60:100] not in shown
    assert "raw" not in shown
    assert len(shown) < 500


def test_what_was_left_out_has_a_name_of_its_own() -> None:
    assert repr(UNSET) == "UNSET"
    assert isinstance(UNSET, Unset)


# --- tasks


@pytest.mark.parametrize(
    ("state", "ended"),
    [
        (TaskState.PENDING, False),
        (TaskState.PROCESSING, False),
        (TaskState.COMPLETED, True),
        (TaskState.FAILED, True),
        ("completed", True),
        ("failed", True),
        ("pending", False),
        ("upscaling", False),
        ("COMPLETED", False),
        ("", False),
    ],
)
def test_a_task_has_ended_when_it_is_completed_or_failed_and_in_no_other_state(state: str, ended: bool) -> None:
    assert Task(id="t", state=state).is_terminal is ended


def test_the_states_are_the_four_of_the_contract() -> None:
    assert [state.value for state in TaskState] == ["pending", "processing", "completed", "failed"]


def test_two_tasks_are_equal_whatever_their_raw_answers_and_hash_alike() -> None:
    one = Task(id="t", state=TaskState.PENDING, raw={"a": 1})
    other = Task(id="t", state=TaskState.PENDING, raw={"b": []})

    assert one == other
    assert hash(one) == hash(other)
    assert len({one, other}) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"id": "u"},
        {"state": TaskState.FAILED},
        {"result_urls": ("https://example.com",)},
        {"model": "m"},
        {"create_time": datetime(2026, 1, 1, tzinfo=UTC)},
        {"complete_time": datetime(2026, 1, 1, tzinfo=UTC)},
        {"fail_code": "c"},
        {"fail_msg": "m"},
        {"retryable": False},
    ],
)
def test_any_other_difference_makes_two_tasks_differ(change: dict[str, Any]) -> None:
    task = Task(id="t", state=TaskState.PENDING)

    assert evolve(task, **change) != task


def test_a_task_pickles_with_its_raw_answer() -> None:
    task = Task(id="t", state="odd", raw={"taskId": "t", "x": [1, {"y": None}]})

    twin = pickle.loads(pickle.dumps(task))

    assert twin == task
    assert twin.raw == task.raw


def test_tasks_do_not_share_their_raw_answers() -> None:
    assert Task(id="a", state="").raw is not Task(id="b", state="").raw


# --- outcomes


@pytest.mark.parametrize(
    ("task", "error", "ok"),
    [
        (Task(id="t", state=TaskState.COMPLETED), None, True),
        (Task(id="t", state="completed"), None, True),
        (Task(id="t", state=TaskState.COMPLETED), ValueError("not saved"), False),
        (Task(id="t", state=TaskState.FAILED), None, False),
        (Task(id="t", state=TaskState.PROCESSING), None, False),
        (Task(id="t", state="odd"), None, False),
        (None, None, False),
        (None, ValueError("never sent"), False),
    ],
)
def test_an_outcome_is_ok_when_the_task_is_completed_and_nothing_went_wrong(
    task: Task | None, error: Exception | None, ok: bool
) -> None:
    assert Outcome(index=0, request=GenerationRequest("a cat"), task=task, error=error).ok is ok


def test_a_pillow_image_can_be_saved_and_bytes_cannot() -> None:
    able: Sequence[object] = [Image.new("L", (1, 1))]
    unable: Sequence[object] = [b"x", "x", io.BytesIO()]

    assert all(isinstance(each, SupportsSave) for each in able)
    assert not any(isinstance(each, SupportsSave) for each in unable)


@pytest.mark.parametrize("images", [deque([b"pixels"]), UserList([b"pixels"])])
def test_a_repr_never_shows_the_pictures_of_any_kind_of_sequence(images: Any) -> None:
    assert "pixels" not in repr(GenerationRequest("a cat", images=images))


@pytest.mark.parametrize(
    "url", ["https://h.example?token=SECRET", "https://h.example#SECRET", "https://u:SECRET@h.example/x"]
)
def test_a_repr_shows_of_a_callback_its_host_alone(url: str) -> None:
    assert "SECRET" not in repr(GenerationRequest("a cat", callback_url=url))


def test_a_repr_shows_no_data_uri_however_short() -> None:
    assert "iVBORw0KGgo" not in repr(GenerationRequest("a cat", image="data:image/png;base64,iVBORw0KGgo="))


def test_a_prompt_that_utf_8_cannot_carry_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"^prompt"):
        GenerationRequest("half a \ud83d character")


def test_a_request_does_not_change_with_the_callers_list() -> None:
    images = ["a.png"]
    request = GenerationRequest("a cat", images=images)
    images.append("b.png")
    assert list(request.images or ()) == ["a.png"]
    assert hash(request)


WHEN = datetime(2026, 1, 2, tzinfo=UTC)


def test_an_outcome_becomes_json() -> None:
    request = GenerationRequest("a", images=["a.png", b"\x89PNG"], callback_url="https://example.com/secret", seed=3)
    task = Task(
        id="t",
        state=TaskState.COMPLETED,
        result_urls=("https://r.example/a.png",),
        create_time=datetime(2026, 1, 2, tzinfo=UTC),
    )
    outcome = Outcome(
        index=2, request=request, task=task, error=DownloadError("no", task_id="t"), files=(Path("out") / "t-0.png",)
    )

    assert json.loads(json.dumps(outcome.to_dict(), allow_nan=False)) == {
        "index": 2,
        "ok": False,
        "request": {
            "prompt": "a",
            "images": ["a.png", "<4 bytes>"],
            "callback_url": "https://example.com/…",
            "seed": 3,
        },
        "task": task.to_dict(),
        "error": {"class": "DownloadError", "message": "no (task t)", "task_id": "t"},
        "files": [str(Path("out") / "t-0.png")],
    }


def test_an_outcome_without_task_and_error_becomes_json() -> None:
    assert Outcome(index=0, request=GenerationRequest("a")).to_dict() == {
        "index": 0,
        "ok": False,
        "request": {"prompt": "a"},
        "task": None,
        "error": None,
        "files": [],
    }


def test_a_request_becomes_json_without_the_pictures_that_are_here() -> None:
    data = "data:image/png;base64," + "A" * 1000
    request = GenerationRequest("a", image=data, mask=Path("mask.png"), extra_body={"y": (1, 2)})

    assert request.to_dict() == {
        "prompt": "a",
        "image": "data:image/png;base64,…(1022 characters)",
        "mask": "mask.png",
        "extra_body": {"y": [1, 2]},
    }

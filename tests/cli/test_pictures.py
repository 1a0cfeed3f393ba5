"""``apimodels generate``, ``wait`` and ``status`` in a pipe: what scripts rely on."""

import base64
import io
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image


def saved(folder: Path, out: str) -> list[Image.Image]:
    """The pictures whose paths were printed."""
    return [Image.open(io.BytesIO((folder / line).read_bytes())) for line in out.splitlines()]


def test_a_pipe_gets_the_saved_path_and_nothing_else(apimodels: Any, here: Any) -> None:
    done = apimodels("generate", "a fox", "--size", "80x64", settings=here)

    assert (done.returncode, done.stderr) == (0, "")
    [picture] = saved(apimodels.folder, done.stdout)
    assert (picture.size, picture.format) == ((80, 64), "PNG")


def test_local_needs_no_key_and_ignores_the_settings_and_proxies_of_the_environment(apimodels: Any) -> None:
    elsewhere = {
        "APIMODELS_BASE_URL": "http://127.0.0.1:9/nowhere",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
    }

    done = apimodels("generate", "a fox", "--size", "64x64", "-o", "new/pictures", "--local", settings=elsewhere)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("new/pictures/")
    assert len(saved(apimodels.folder, done.stdout)) == 1


def test_json_is_one_object_with_the_task_and_its_files(apimodels: Any, here: Any) -> None:
    done = apimodels("generate", "a fox", "-n", "2", "--size", "64x64", "--json", settings=here)

    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert set(told) >= {"id", "state", "result_urls", "model", "create_time", "complete_time", "fail_msg", "files"}
    assert (told["state"], told["model"], len(told["result_urls"])) == ("completed", "grok-image/grok-4.2-image", 2)
    assert datetime.fromisoformat(told["complete_time"]).utcoffset() is not None
    assert len(saved(apimodels.folder, "\n".join(told["files"]))) == 2


def test_every_option_reaches_the_server(apimodels: Any, here: Any) -> None:
    options = ("-m", "gpt-image-2-lite", "--aspect-ratio", "2:1", "--resolution", "1k", "--quality", "low")

    done = apimodels("generate", "a fox", *options, "--format", "jpeg", "--seed", "-7", "--json", settings=here)

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["model"] == "gpt-image-2-lite"
    [picture] = saved(apimodels.folder, told["files"][0])
    assert picture.format == "JPEG"
    assert picture.width == 2 * picture.height


def test_any_field_reaches_the_server(apimodels: Any, here: Any) -> None:
    extra = '{"aspect_ratio": "custom", "width": 256, "height": 1024}'
    done = apimodels("generate", "a fox", "--extra", extra, "--set", "height=512", "--quality", "max", settings=here)

    assert done.returncode == 0, done.stderr
    [picture] = saved(apimodels.folder, done.stdout)
    assert picture.size == (256, 512)
    wrong = apimodels("generate", "a fox", "--set", "height", settings=here)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "--set 'height': give NAME=VALUE" in wrong.stderr


def test_the_model_comes_from_the_environment(apimodels: Any, here: Any) -> None:
    done = apimodels("generate", "a fox", "--json", settings={**here, "APIMODELS_MODEL": "sparkpix-image"})

    assert json.loads(done.stdout)["model"] == "sparkpix-image"


def test_one_image_is_edited_several_are_fused_and_a_mask_keeps_what_it_covers(
    apimodels: Any, here: Any, picture: Callable[..., str]
) -> None:
    red, blue = picture("red.png", colour="red"), picture("blue.png", colour="blue")
    mask = picture("mask.png", colour="black")  # nothing white: nothing may change

    edited, fused, masked = apimodels.all(
        ("generate", "at night", "--image", red),
        ("generate", "both", "--image", red, "--image", blue),
        ("generate", "roses", "--image", red, "--mask", mask),
        settings=here,
    )

    assert [each.returncode for each in (edited, fused, masked)] == [0, 0, 0]
    assert len(saved(apimodels.folder, edited.stdout + fused.stdout)) == 2
    [kept] = saved(apimodels.folder, masked.stdout)
    assert kept.convert("RGB").getcolors() == [(256 * 256, (255, 0, 0))]


def test_a_picture_inside_the_answer_is_saved_and_not_printed(apimodels: Any, server: Any) -> None:
    out = io.BytesIO()
    Image.new("RGB", (64, 64)).save(out, "PNG")
    text = base64.b64encode(out.getvalue()).decode()
    settings = server.says(json.dumps({"created": 1_705_123_456, "data": [{"b64_json": text}]}))

    done = apimodels("generate", "a fox", "--size", "64x64", "--json", settings=settings)

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["id"] is None
    assert told["result_urls"] == [
        f"data:image/png;base64,… (a picture inside the answer, {len(text) + 22} characters)"
    ]
    assert saved(apimodels.folder, told["files"][0])[0].size == (64, 64)


@pytest.fixture
def done_before(apimodels: Any, here: Any) -> Any:
    """A task that was completed earlier."""
    return json.loads(apimodels("generate", "a fox", "--size", "64x64", "--json", settings=here).stdout)


def test_status_tells_of_a_task_in_lines_and_in_json(apimodels: Any, here: Any, done_before: Any) -> None:
    ask = ("status", done_before["id"])
    lines, as_json = apimodels.all(ask, (*ask, "--json"), settings=here)

    assert dict(line.split(maxsplit=1) for line in lines.stdout.splitlines())["state"] == "completed"
    assert done_before["result_urls"][0] in lines.stdout
    assert {**json.loads(as_json.stdout), "files": done_before["files"]} == done_before


def test_status_of_a_failed_task_is_an_answer_and_no_error(apimodels: Any, here: Any) -> None:
    failed = json.loads(apimodels("generate", "contraband", "--json", settings=here).stderr)

    done = apimodels("status", failed["task_id"], settings=here)

    assert done.returncode == 0
    assert "CONTENT_MODERATION" in done.stdout


def test_wait_saves_the_pictures_of_a_task_from_before(apimodels: Any, here: Any, done_before: Any) -> None:
    done = apimodels("wait", done_before["id"], "-o", "again", settings=here)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == str(Path("again", Path(done_before["files"][0]).name)) + "\n"
    assert len(saved(apimodels.folder, done.stdout)) == 1


def test_models_and_balance_are_bare_in_a_pipe(apimodels: Any, here: Any) -> None:
    forced = {**here, "FORCE_COLOR": "1", "CLICOLOR_FORCE": "1"}

    models, balance = apimodels.all(("models",), ("balance",), settings=forced)

    assert models.stdout.splitlines()[0] == "grok-image/grok-4.2-image"
    assert float(balance.stdout) > 0
    assert "\x1b" not in models.stdout + models.stderr + balance.stdout + balance.stderr


def test_models_and_balance_are_json_on_request_and_work_locally(apimodels: Any) -> None:
    models, balance = apimodels.all(("models", "--json", "--local"), ("balance", "--json", "--local"))

    assert "gpt-image-2-lite" in json.loads(models.stdout)["models"]
    assert json.loads(balance.stdout) == {"balance": 10.0}


def test_the_version_is_that_of_the_package(apimodels: Any) -> None:
    from apimodels_async import __version__

    assert apimodels("--version").stdout == f"apimodels {__version__}\n"


def test_the_help_lists_every_exit_code_and_where_the_key_comes_from(apimodels: Any) -> None:
    from apimodels_async.cli.exit_codes import TABLE

    helped = apimodels()

    assert helped.returncode == 0
    words = " ".join(helped.stdout.split())
    assert "~/.apimodels/credentials" in words
    assert all(f"{row.code} {row.meaning}" in words for row in TABLE)


def test_every_command_explains_itself(apimodels: Any) -> None:
    commands = ("generate", "status", "wait", "models", "balance", "gateway")

    for command, helped in zip(commands, apimodels.all(*((name, "-h") for name in commands)), strict=True):
        assert (helped.returncode, helped.stderr) == (0, "")
        assert f"apimodels {command}" in helped.stdout

"""The client against the real gateway on a real socket, on asyncio and on trio."""

import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from PIL import Image, ImageDraw

from apimodels_async import (
    AsyncImagesClient,
    AuthenticationError,
    BadRequestError,
    ContentPolicyError,
    GenerationFailedError,
    GenerationRequest,
    InsufficientCreditsError,
    Task,
    TaskNotFoundError,
    TaskState,
    WaitTimeoutError,
)
from apimodels_async.gateway import LocalGateway
from apimodels_async.pacing import FixedPacing
from tests.support.pictures import png

pytestmark = pytest.mark.anyio

MODEL = "grok-image/grok-4.2-image"
QUICK = FixedPacing(0.05)


@pytest.fixture
async def client(gateway: LocalGateway) -> AsyncIterator[AsyncImagesClient]:
    async with AsyncImagesClient(
        gateway.api_key, base_url=gateway.base_url, model=MODEL, pacing=QUICK, wait_timeout=20
    ) as client:
        yield client


async def test_a_prompt_becomes_pictures_on_disk(client: AsyncImagesClient, tmp_path: Path) -> None:
    task = await client.generate("A cute cat wearing a space helmet", size="96x64", n=2)
    files = await client.download(task, tmp_path / "out")
    assert [file.name for file in files] == [f"{task.id}-0.png", f"{task.id}-1.png"]
    pictures = [Image.open(io.BytesIO(file.read_bytes())) for file in files]
    assert [picture.size for picture in pictures] == [(96, 64), (96, 64)]
    assert pictures[0].tobytes() != pictures[1].tobytes()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [file.name for file in files]


async def test_a_created_task_is_pending_and_ends_completed_with_aware_times(client: AsyncImagesClient) -> None:
    before = datetime.now(UTC)
    created = await client.create("A boat", size="64x64")
    assert created.state == TaskState.PENDING
    assert not created.is_terminal
    done = await client.wait(created)
    assert done.id == created.id
    assert done.is_terminal
    assert done.state is TaskState.COMPLETED
    assert done.model == MODEL
    assert done.create_time is not None
    assert done.complete_time is not None
    assert abs(done.create_time - before) < timedelta(seconds=10)
    assert done.complete_time > done.create_time
    assert await client.get(str(done.id)) == done


async def test_an_id_alone_can_be_waited_for(client: AsyncImagesClient) -> None:
    created = await client.create("A lighthouse", size="64x64")
    assert created.id is not None
    assert (await client.wait(created.id)).state is TaskState.COMPLETED


async def test_a_task_that_has_ended_is_given_back_without_a_request(gateway: LocalGateway) -> None:
    async with AsyncImagesClient("sk_wrong", base_url=gateway.base_url) as stranger:
        done = Task(id="cl1", state=TaskState.COMPLETED, result_urls=("http://127.0.0.1/x.png",))
        assert await stranger.wait(done) is done


async def test_the_format_asked_for_is_the_format_saved(client: AsyncImagesClient, tmp_path: Path) -> None:
    for output_format, suffix in (("png", ".png"), ("jpeg", ".jpg"), ("webp", ".webp")):
        task = await client.generate("A kite", size="64x64", output_format=output_format, seed=7)  # type: ignore[arg-type]
        (file,) = await client.download(task, tmp_path)
        assert file.suffix == suffix
        assert (Image.open(io.BytesIO(file.read_bytes())).format or "").lower() == output_format


async def test_the_same_seed_gives_the_same_picture(client: AsyncImagesClient, tmp_path: Path) -> None:
    saved = []
    for seed in (5, 5, 6):
        task = await client.generate("Three hills", size="64x64", seed=seed)
        (file,) = await client.download(task, tmp_path)
        saved.append(file.read_bytes())
    assert saved[0] == saved[1] != saved[2]


async def test_aspect_ratio_and_resolution_reach_the_server(client: AsyncImagesClient, tmp_path: Path) -> None:
    task = await client.generate("A road", aspect_ratio="2:1", resolution="1k", quality="low")
    (file,) = await client.download(task, tmp_path)
    width, height = Image.open(io.BytesIO(file.read_bytes())).size
    assert width == 2 * height


async def test_an_edit_keeps_the_size_of_its_picture(client: AsyncImagesClient, tmp_path: Path) -> None:
    task = await client.generate("make it night", image=png(80, 40))
    (file,) = await client.download(task, tmp_path)
    assert Image.open(io.BytesIO(file.read_bytes())).size == (80, 40)


async def test_inpainting_changes_only_what_the_mask_says(client: AsyncImagesClient, tmp_path: Path) -> None:
    mask = Image.new("L", (64, 48), 0)
    ImageDraw.Draw(mask).rectangle((16, 12, 47, 35), fill=255)
    task = await client.generate("a golden retriever", image=png(64, 48, colour="teal"), mask=mask)
    (file,) = await client.download(task, tmp_path)
    painted = Image.open(io.BytesIO(file.read_bytes())).convert("RGB")
    assert painted.getpixel((2, 2)) == painted.getpixel((60, 44)) == (0, 128, 128)
    inside = painted.crop((16, 12, 48, 36)).getcolors(4096) or []
    assert [colour for _, colour in inside] != [(0, 128, 128)]


async def test_several_pictures_are_fused_wherever_they_come_from(client: AsyncImagesClient, tmp_path: Path) -> None:
    hosted = await client.upload(png(64, 48, colour="gold"))
    path = tmp_path / "navy.png"
    path.write_bytes(png(64, 48, colour="navy"))
    task = await client.generate("together", images=[hosted, path, png(64, 48, colour="crimson")], size="64x64")
    assert len(await client.download(task, tmp_path)) == 1


async def test_an_upload_is_hosted_and_can_be_edited_by_its_url(client: AsyncImagesClient, tmp_path: Path) -> None:
    url = await client.upload(io.BytesIO(png(40, 40)))
    assert url.startswith("http://127.0.0.1:")
    task = await client.generate("in winter", image=url)
    (file,) = await client.download(task, tmp_path)
    assert Image.open(io.BytesIO(file.read_bytes())).size == (40, 40)


async def test_a_synchronous_model_needs_no_wait(client: AsyncImagesClient, tmp_path: Path) -> None:
    task = await client.create("A leaf", model="sparkpix-image", size="64x64")
    assert task.state is TaskState.COMPLETED
    assert len(await client.download(task, tmp_path)) == 1


async def test_an_answer_in_openais_shape_is_a_completed_task_whose_pictures_download(
    client: AsyncImagesClient, tmp_path: Path
) -> None:
    task = await client.generate("A leaf", model="gpt-image-2-all", size="1024x1024")
    assert task.id is None
    assert task.state is TaskState.COMPLETED
    (file,) = await client.download(task, tmp_path)
    assert Image.open(io.BytesIO(file.read_bytes())).size == (1024, 1024)


async def test_a_refusal_by_moderation_says_so_and_carries_the_task(client: AsyncImagesClient) -> None:
    with pytest.raises(ContentPolicyError, match="Content policy violation") as caught:
        await client.generate("a crate of contraband", size="64x64")
    assert caught.value.task_id == caught.value.task.id is not None
    assert caught.value.task.retryable is False


async def test_another_failure_is_no_matter_of_policy(client: AsyncImagesClient) -> None:
    with pytest.raises(GenerationFailedError) as caught:
        await client.generate("brownout over the city", size="64x64")
    assert type(caught.value) is GenerationFailedError
    assert caught.value.task.fail_code == "UPSTREAM_BUSY"
    assert caught.value.task.retryable is True


async def test_wait_gives_a_failed_task_back_and_raises_nothing(client: AsyncImagesClient) -> None:
    task = await client.wait(await client.create("contraband", size="64x64"))
    assert task.state is TaskState.FAILED
    assert task.fail_code == "CONTENT_MODERATION"


async def test_whoever_wants_to_know_is_told_when_the_state_changes(client: AsyncImagesClient) -> None:
    told: list[str] = []

    def tell(task: Task) -> None:
        told.append(task.state)
        raise RuntimeError("a listener's own trouble")

    await client.wait(await client.create("A clock", size="32x32"), on_change=tell)
    assert told[-1] == "completed"
    assert len(told) == len(set(told))


async def test_a_wait_that_is_too_short_hands_the_task_back_and_can_go_on(tmp_path: Path) -> None:
    with LocalGateway(latency="1.0/1.0") as slow:
        async with AsyncImagesClient(slow.api_key, base_url=slow.base_url, model=MODEL, pacing=QUICK) as client:
            with pytest.raises(WaitTimeoutError, match="not lost") as caught:
                await client.generate("A snail", size="64x64", timeout=0.2)
            assert caught.value.task_id == caught.value.task.id
            task = await client.wait(caught.value.task, timeout=None)
            assert task.state is TaskState.COMPLETED


async def test_refusals_are_typed_and_keep_the_servers_words(gateway: LocalGateway, client: AsyncImagesClient) -> None:
    with pytest.raises(BadRequestError, match="model") as refused:
        await client.create("x", model="no-such-model")
    assert (refused.value.status, refused.value.code) == (400, 400)
    assert refused.value.msg in str(refused.value)
    assert json.loads(refused.value.body)["msg"] == refused.value.msg
    with pytest.raises(TaskNotFoundError) as unknown:
        await client.get("clnothing")
    assert unknown.value.task_id == "clnothing"
    async with AsyncImagesClient("sk_wrong", base_url=gateway.base_url, model=MODEL) as stranger:
        with pytest.raises(AuthenticationError, match="console/api-keys"):
            await stranger.balance()


async def test_a_refusal_inside_an_http_200_is_a_refusal() -> None:
    with LocalGateway(errors_in_envelope=True, balance=0.0) as gateway:
        async with AsyncImagesClient(gateway.api_key, base_url=gateway.base_url, model=MODEL) as client:
            with pytest.raises(InsufficientCreditsError) as caught:
                await client.create("x")
    assert (caught.value.status, caught.value.code) == (200, 402)


async def test_completed_pictures_are_paid_and_failed_ones_are_not() -> None:
    with LocalGateway(latency="0.05/0.06", balance=1.0) as gateway:
        async with AsyncImagesClient(gateway.api_key, base_url=gateway.base_url, model=MODEL, pacing=QUICK) as client:
            await client.generate("A coin", size="64x64", n=3)
            with pytest.raises(GenerationFailedError):
                await client.generate("brownout", size="64x64")
            assert await client.balance() == pytest.approx(0.91)


async def test_the_models_are_listed(client: AsyncImagesClient) -> None:
    assert MODEL in await client.models()


async def test_what_the_client_is_told_once_goes_for_every_call_and_a_call_may_differ(
    client: AsyncImagesClient,
) -> None:
    request = GenerationRequest("A tree", size="64x64", model="sparkpix-image")
    assert (await client.create(request)).model == "sparkpix-image"
    assert (await client.create(request, model=MODEL)).model == MODEL


async def test_many_tasks_at_once_share_the_client(client: AsyncImagesClient) -> None:
    done: list[Task] = []

    async def one(number: int) -> None:
        done.append(await client.generate(f"Number {number}", size="32x32"))

    async with anyio.create_task_group() as group:
        for number in range(40):
            group.start_soon(one, number)
    assert len({task.id for task in done}) == 40


async def test_a_client_needs_no_async_with(gateway: LocalGateway) -> None:
    client = AsyncImagesClient(gateway.api_key, base_url=gateway.base_url, model=MODEL, pacing=QUICK)
    try:
        assert (await client.generate("A door", size="32x32")).is_terminal
    finally:
        await client.aclose()
        await client.aclose()

"""Ledgers of every schema there has been are resumed by this version: what was paid for once stays so."""

import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest

from apimodels_async import (
    AsyncImagesClient,
    ContentPolicyError,
    GenerationRequest,
    NotSubmittedError,
    Outcome,
    SubmissionUnknownError,
)
from apimodels_async.ledger import SqliteLedger, Step
from apimodels_async.ledger.sql import SCHEMA_VERSION
from apimodels_async.pacing import FixedPacing
from tests.ledger.machine import PICTURE, Life, Vendor

pytestmark = pytest.mark.anyio

GOLDEN = Path(__file__).parent / "golden"
MODEL = "grok-image/grok-4.2-image"


async def resumed(name: str, tmp_path: Path, prompts: list[str], **options: Any) -> tuple[list[Outcome], Vendor]:
    """What comes out of a golden ledger, and what that took."""
    path = tmp_path / "run.db"
    shutil.copy(GOLDEN / name, path)
    vendor = Vendor()
    vendor.accepted = {"created": ["task-created"]}
    http = httpx.AsyncClient(transport=vendor.transport(Life(None)))
    client = AsyncImagesClient(
        "sk_test", base_url="https://api.example/v1", model=MODEL, http_client=http, pacing=FixedPacing(0.001)
    )
    requests = [GenerationRequest(prompt, size="1024x1024", seed=7, extra_body={"style": "ink"}) for prompt in prompts]
    async with client:
        return await client.generate_many(requests, ledger=path, **options), vendor


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.glob("*-every-step.db")))
async def test_every_step_of_every_schema_is_resumed(name: str, tmp_path: Path) -> None:
    steps = ["intent", "sending", "created", "done", "saved", "failed", "rejected", "unknown", "abandoned"]

    outcomes, vendor = await resumed(name, tmp_path, steps, download_to=tmp_path / "out")

    found = {outcome.request.prompt: outcome for outcome in outcomes}
    assert set(vendor.posts) == {"intent", "rejected"}
    for prompt in ("intent", "created", "done", "saved", "rejected"):
        assert found[prompt].ok, found[prompt]
        assert [file.read_bytes() for file in found[prompt].files] == [PICTURE]
    for prompt, error in {
        "sending": SubmissionUnknownError,
        "unknown": SubmissionUnknownError,
        "failed": ContentPolicyError,
        "abandoned": NotSubmittedError,
    }.items():
        assert isinstance(found[prompt].error, error), found[prompt]
    with SqliteLedger(tmp_path / "run.db") as ledger:
        assert sorted(ledger.steps().values()) == sorted(
            [Step.SAVED] * 5 + [Step.UNKNOWN] * 2 + [Step.FAILED, Step.ABANDONED]
        )


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.glob("*-repeated.db")))
async def test_repeated_requests_of_every_schema_are_told_apart(name: str, tmp_path: Path) -> None:
    outcomes, vendor = await resumed(name, tmp_path, ["the same"] * 5)

    assert [type(outcome.error) for outcome in outcomes] == [*[type(None)] * 3, SubmissionUnknownError, type(None)]
    assert vendor.posts.total() == 1


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.glob("*-empty.db")))
async def test_an_empty_ledger_of_every_schema_is_begun(name: str, tmp_path: Path) -> None:
    [outcome], vendor = await resumed(name, tmp_path, ["new"])

    assert outcome.ok
    assert vendor.posts.total() == 1


def test_there_is_a_golden_ledger_for_this_schema() -> None:
    for kind in ("empty", "every-step", "repeated"):
        assert (GOLDEN / f"v{SCHEMA_VERSION}-{kind}.db").is_file()

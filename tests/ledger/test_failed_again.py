"""What a later run does with a task that failed."""

from pathlib import Path

import pytest

from apimodels_async import AsyncImagesClient, GenerationFailedError
from apimodels_async.gateway import LocalGateway
from apimodels_async.pacing import FixedPacing

pytestmark = pytest.mark.anyio


async def test_a_later_run_tries_a_passing_failure_again_only_when_asked_to(
    gateway: LocalGateway, tmp_path: Path
) -> None:
    async def run(retry_failed: int) -> list[str | None]:
        async with AsyncImagesClient(
            gateway.api_key, base_url=gateway.base_url, model="grok-4.2-image", pacing=FixedPacing(0.05)
        ) as client:
            outcomes = await client.generate_many(
                ["brownout", "contraband"], ledger=tmp_path / "run.db", retry_failed=retry_failed
            )
        assert all(isinstance(outcome.error, GenerationFailedError) for outcome in outcomes)
        return [outcome.task.id for outcome in outcomes if outcome.task is not None]

    first = await run(0)
    assert await run(0) == first
    again = await run(1)
    assert again[0] != first[0]
    assert again[1] == first[1]

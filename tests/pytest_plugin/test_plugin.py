"""The plugin in suites of its own, each run by pytest in a process as its user would."""

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from apimodels_async.gateway import ReceivedRequest
from apimodels_async.pytest_plugin.recording import RecordingGateway

pytest_plugins = ["pytester"]

OPTIONS = ("-q", "-W", "error", "--strict-markers", "-p", "anyio.pytest_plugin", "-p", "apimodels_async.pytest_plugin")


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", ":".join(filter(None, sys.path)))
    pytester.makeini("[pytest]")  # or a folder above has one, if that is where temporary files are
    return pytester


def passes(run: pytest.Pytester, source: str, **outcomes: int) -> pytest.RunResult:
    run.makepyfile(source)
    result = run.runpytest_subprocess(*OPTIONS, timeout=120)
    result.assert_outcomes(**outcomes)
    return result


def test_the_fixtures_make_pictures_and_record_what_was_sent(run: pytest.Pytester) -> None:
    passes(
        run,
        """
        import pytest
        from apimodels_async import ImagesClient

        @pytest.fixture(params=["asyncio", "trio"])
        def anyio_backend(request):
            return request.param

        def test_blocking(images_client, apimodels_gateway, tmp_path):
            task = images_client.generate("A boat", size="64x48", n=2)
            files = images_client.download(task, tmp_path)
            assert len(files) == 2
            [sent] = apimodels_gateway.sent
            assert (sent.prompt, sent.body["size"], sent.body["n"]) == ("A boat", "64x48", 2)
            assert sent.model == "grok-image/grok-4.2-image"
            assert sent.fault is None
            assert "authorization" not in sent.headers
            assert [each.method for each in apimodels_gateway.requests][:2] == ["POST", "GET"]

        @pytest.mark.anyio
        async def test_async(async_images_client, apimodels_gateway):
            task = await async_images_client.generate("A boat", size="64x64")
            [picture] = await async_images_client.fetch(task)
            assert picture.media_type == "image/png"
            assert [each.prompt for each in apimodels_gateway.sent] == ["A boat"]

        def test_code_that_makes_its_own_client_gets_here(apimodels_gateway):
            with ImagesClient() as client:
                client.create("Mine")
            assert apimodels_gateway.sent[0].prompt == "Mine"
        """,
        passed=4,
    )


def test_faults_come_by_marker_in_their_order(run: pytest.Pytester) -> None:
    passes(
        run,
        """
        import pytest
        from apimodels_async import InsufficientCreditsError, SubmissionUnknownError

        @pytest.mark.apimodels(faults=["429", ""], query_faults=["500", "drop"])
        def test_retries(images_client, apimodels_gateway):
            images_client.generate("A boat", size="64x64")
            assert [each.fault for each in apimodels_gateway.sent] == ["429", None]

        @pytest.mark.apimodels(faults=["drop"])
        def test_lost(images_client, apimodels_gateway):
            with pytest.raises(SubmissionUnknownError):
                images_client.create("A boat")
            assert len(apimodels_gateway.sent) == 1

        def test_the_next_test_begins_anew(images_client, apimodels_gateway):
            images_client.create("A boat")
            assert [each.fault for each in apimodels_gateway.sent] == [None]

        @pytest.mark.apimodels(balance=0.01)
        def test_an_option_makes_a_gateway_for_one_test(images_client):
            with pytest.raises(InsufficientCreditsError):
                images_client.create("A boat")
        """,
        passed=4,
    )


def test_a_fault_that_does_not_exist_is_an_error(run: pytest.Pytester) -> None:
    result = passes(
        run,
        """
        import pytest

        @pytest.mark.apimodels(faults=["404"])
        def test_it(images_client):
            pass
        """,
        errors=1,
    )
    result.stdout.fnmatch_lines(["*faults: '404' is no fault: give some of 413, 429, 500, 524, drop*"])


def test_the_marker_is_listed(run: pytest.Pytester) -> None:
    result = run.runpytest_subprocess(*OPTIONS, "--markers")
    result.stdout.fnmatch_lines(["@pytest.mark.apimodels(faults=(), query_faults=(), [*][*]options): *"])


def test_loading_the_plugin_loads_nothing_else() -> None:
    code = (
        "import sys, pytest; before = set(sys.modules); import apimodels_async.pytest_plugin; "
        "print(sorted(set(sys.modules) - before))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == str(["apimodels_async", "apimodels_async._version", "apimodels_async.pytest_plugin"])


def test_pytest_finds_the_plugin_where_the_package_is_installed() -> None:
    ours = [each for each in entry_points(group="pytest11") if each.value.startswith("apimodels_async")]
    if not ours:
        pytest.skip("run from a checkout")
    assert {each.value for each in ours} == {"apimodels_async.pytest_plugin"}


@pytest.mark.anyio
async def test_a_gateway_can_be_used_without_the_fixtures(tmp_path: Path) -> None:
    with RecordingGateway() as gateway:
        gateway.begin(faults="429")
        async with gateway.client() as client:
            task = await client.generate("A boat", size="64x64", seed=1)
            [path] = await client.download(task, tmp_path)

    assert path.read_bytes().startswith(b"\x89PNG")
    assert [each.fault for each in gateway.sent] == ["429", None]


def test_a_body_that_is_no_json_is_recorded_as_bytes() -> None:
    assert ReceivedRequest("POST", "/", {}, b'{"prompt": "x"}').json() == {"prompt": "x"}
    with pytest.raises(ValueError, match="Expecting value"):
        ReceivedRequest("POST", "/", {}, b"x").json()

import os
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import pytest

import apimodels_async
from apimodels_async import _settings
from apimodels_async._secret import Secret
from apimodels_async._settings import Settings, resolve
from apimodels_async.errors import ConfigurationError

CANARY = "sk_canary4Xq9TtNobodyMaySeeThis"


def environment(**variables: str) -> Callable[[str], str | None]:
    return variables.get


NOTHING = environment()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home directory without any file of ours."""
    return tmp_path


def keep(home: Path, content: bytes, mode: int = 0o600) -> Path:
    file = home / ".apimodels" / "credentials"
    file.parent.mkdir()
    file.write_bytes(content)
    file.chmod(mode)
    return file


def settled(base_url: str | None = None, model: str | None = None, **variables: str) -> Settings:
    return resolve(Secret("sk_1"), base_url, model, getenv=environment(**variables))


# --- where things come from


def test_the_key_comes_from_the_argument_before_the_environment_before_the_file(home: Path) -> None:
    keep(home, b"sk_file\n")
    everywhere = environment(APIMODELS_API_KEY="sk_environment")

    assert resolve(Secret("sk_argument"), None, None, getenv=everywhere, home=home).api_key.reveal() == "sk_argument"
    assert resolve(None, None, None, getenv=everywhere, home=home).api_key.reveal() == "sk_environment"
    assert resolve(None, None, None, getenv=NOTHING, home=home).api_key.reveal() == "sk_file"


def test_an_empty_variable_counts_as_none(home: Path) -> None:
    keep(home, b"sk_file\n")
    empty = environment(APIMODELS_API_KEY="", APIMODELS_BASE_URL="", APIMODELS_MODEL="")

    settings = resolve(None, None, None, getenv=empty, home=home)
    assert (settings.api_key.reveal(), settings.base_url, settings.model) == (
        "sk_file",
        "https://apimodels.app/api/v1",
        None,
    )


def test_an_empty_key_given_as_an_argument_is_refused_and_not_replaced_by_another(home: Path) -> None:
    keep(home, b"sk_file\n")

    with pytest.raises(ConfigurationError, match=r"^api_key: an API key is printable ASCII"):
        resolve(Secret(""), None, None, getenv=environment(APIMODELS_API_KEY="sk_environment"), home=home)


def test_the_base_url_comes_from_the_argument_before_the_environment_before_the_vendors() -> None:
    assert settled("https://a.example/v1", APIMODELS_BASE_URL="https://b.example/v1").base_url == "https://a.example/v1"
    assert settled(APIMODELS_BASE_URL="https://b.example/v1").base_url == "https://b.example/v1"
    assert settled().base_url == "https://apimodels.app/api/v1"


def test_the_model_comes_from_the_argument_before_the_environment() -> None:
    assert settled(model="a", APIMODELS_MODEL="b").model == "a"
    assert settled(APIMODELS_MODEL="b").model == "b"
    assert settled().model is None


def test_the_real_environment_and_the_real_home_are_the_defaults(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(home))
    keep(home, b"sk_file\n")
    assert resolve(None, None, None).api_key.reveal() == "sk_file"

    monkeypatch.setenv("APIMODELS_API_KEY", "sk_environment")
    monkeypatch.setenv("APIMODELS_BASE_URL", "https://b.example")
    monkeypatch.setenv("APIMODELS_MODEL", "b")
    settings = resolve(None, None, None)
    assert (settings.api_key.reveal(), settings.base_url, settings.model) == (
        "sk_environment",
        "https://b.example",
        "b",
    )


# --- the credentials file


@pytest.mark.parametrize("content", [b"sk_file", b"sk_file\n", b"sk_file\r\n", b"  sk_file \n\n"])
def test_white_space_around_the_key_in_the_file_does_no_harm(home: Path, content: bytes) -> None:
    keep(home, content)

    assert resolve(None, None, None, getenv=NOTHING, home=home).api_key.reveal() == "sk_file"


def test_without_any_key_the_error_says_where_one_can_come_from(home: Path) -> None:
    with pytest.raises(ConfigurationError) as error:
        resolve(None, None, None, getenv=NOTHING, home=home)

    for hint in ("api_key=", "APIMODELS_API_KEY", "~/.apimodels/credentials", "0600", "console/api-keys"):
        assert hint in str(error.value)


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o602, 0o610, 0o601, 0o777])
def test_a_file_that_others_can_touch_is_refused_with_a_warning(home: Path, mode: int) -> None:
    file = keep(home, f"{CANARY}\n".encode(), mode)

    with (
        pytest.warns(UserWarning, match="can be read by others and is not used: chmod 600") as warned,
        pytest.raises(ConfigurationError, match="others can read it") as error,
    ):
        resolve(None, None, None, getenv=NOTHING, home=home)

    assert len(warned) == 1
    assert str(file) in str(error.value)
    assert_unseen(error.value)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_file_that_is_its_owners_alone_is_used(home: Path, mode: int) -> None:
    keep(home, b"sk_file\n", mode)

    assert resolve(None, None, None, getenv=NOTHING, home=home).api_key.reveal() == "sk_file"


def test_a_file_that_others_can_touch_is_not_looked_at_when_a_key_is_given(home: Path) -> None:
    keep(home, b"sk_file\n", 0o644)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert resolve(Secret("sk_1"), None, None, getenv=NOTHING, home=home).api_key.reveal() == "sk_1"


def test_a_file_that_cannot_be_read_is_no_key(home: Path) -> None:
    (home / ".apimodels").write_text("a file where a directory should be")

    with pytest.raises(ConfigurationError, match="cannot be read: NotADirectoryError"):
        resolve(None, None, None, getenv=NOTHING, home=home)


def test_a_file_that_is_no_text_is_no_key(home: Path) -> None:
    keep(home, CANARY.encode() + b"\xff\n")

    with pytest.raises(ConfigurationError, match="cannot be read: UnicodeDecodeError") as error:
        resolve(None, None, None, getenv=NOTHING, home=home)

    assert_unseen(error.value)


# --- a key that cannot be a header


def frames_of_ours(trace: TracebackType | None) -> TracebackType | None:
    """The part of a traceback below the test's own frames, which know the key."""
    ours = Path(apimodels_async.__file__).parent
    while trace is not None and ours not in Path(trace.tb_frame.f_code.co_filename).parents:
        trace = trace.tb_next
    return trace


def assert_unseen(error: BaseException) -> None:
    trace = frames_of_ours(error.__traceback__)
    assert trace is not None
    rendered = traceback.TracebackException(type(error), error, trace, capture_locals=True)
    shown = [str(error), repr(error), repr(error.args), repr(vars(error)), *rendered.format()]
    assert any("getenv = " in line or "path = " in line for line in shown), "the locals are not in the traceback"
    assert not any("canary" in line for line in shown)


BAD = [
    CANARY + "\n",
    "\n" + CANARY,
    CANARY + " ",
    "sk " + CANARY,
    CANARY + "\r\nX: y",
    CANARY + "\x00",
    CANARY + "\x7f",
]
BAD += [CANARY + "é", CANARY + "\u200b", "“" + CANARY + "”", CANARY + "\ud800", CANARY + "\t"]


@pytest.mark.parametrize("key", BAD)
def test_a_key_that_cannot_be_a_header_is_refused_and_shown_nowhere(key: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^api_key: .* without spaces or line breaks") as by_argument:
        resolve(Secret(key), None, None, getenv=NOTHING)
    with pytest.raises(
        ConfigurationError, match=r"^APIMODELS_API_KEY: .* without spaces or line breaks"
    ) as by_environment:
        resolve(None, None, None, getenv=environment(APIMODELS_API_KEY=key))

    assert_unseen(by_argument.value)
    assert_unseen(by_environment.value)


@pytest.mark.parametrize("content", [b"", b"\n", f"two words {CANARY}".encode(), f"{CANARY}\n{CANARY}\n".encode()])
def test_a_file_that_holds_something_else_is_refused_and_shown_nowhere(home: Path, content: bytes) -> None:
    file = keep(home, content)

    with pytest.raises(ConfigurationError, match="without spaces or line breaks") as error:
        resolve(None, None, None, getenv=NOTHING, home=home)

    assert str(error.value).startswith(str(file))
    assert_unseen(error.value)


def test_settings_and_secrets_show_no_key() -> None:
    secret = Secret(CANARY)
    settings = resolve(secret, None, None, getenv=NOTHING)

    for shown in (repr(secret), str(secret), f"{secret}", repr(settings), str(settings), repr([settings])):
        assert "canary" not in shown
    assert secret.reveal() == CANARY


# --- the base URL


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://apimodels.app/api/v1", "https://apimodels.app/api/v1"),
        ("https://apimodels.app/api/v1/", "https://apimodels.app/api/v1"),
        ("https://apimodels.app/api/v1///", "https://apimodels.app/api/v1"),
        ("https://apimodels.app", "https://apimodels.app"),
        ("https://apimodels.app/", "https://apimodels.app"),
        ("HTTPS://Apimodels.app:8443/v1", "HTTPS://Apimodels.app:8443/v1"),
        ("http://127.0.0.1:8787/api/v1", "http://127.0.0.1:8787/api/v1"),
        ("http://localhost:8787/api/v1/", "http://localhost:8787/api/v1"),
        ("http://[::1]:8787", "http://[::1]:8787"),
        ("https://[2001:db8::1]/v1", "https://[2001:db8::1]/v1"),
    ],
)
def test_a_base_url_is_kept_without_a_slash_at_its_end(url: str, kept: str) -> None:
    assert settled(url).base_url == kept
    assert settled(APIMODELS_BASE_URL=url).base_url == kept


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("apimodels.app/api/v1", "absolute"),
        ("apimodels.app:443/api/v1", "absolute"),
        ("//apimodels.app/api/v1", "absolute"),
        ("/api/v1", "absolute"),
        ("ftp://apimodels.app", "absolute"),
        ("https://", "absolute"),
        ("https:///api/v1", "absolute"),
        ("https://:8443/api/v1", "absolute"),
        ("https:apimodels.app", "absolute"),
        ("https://apimodels.app:99999/api/v1", "absolute"),
        ("https://apimodels.app:port/api/v1", "absolute"),
        ("https://[::1/api/v1", "absolute"),
        ("https://apimodels.app/api v1", "absolute"),
        (" https://apimodels.app/api/v1", "absolute"),
        ("https://apimodels.app/api/v1\n", "absolute"),
        ("https://apimodels.app/\u00e9", "absolute"),
        ("https://user:password@apimodels.app/api/v1", "credentials"),
        ("https://user@apimodels.app/api/v1", "credentials"),
        ("https://@apimodels.app/api/v1", "credentials"),
        ("https://apimodels.app/api/v1?key=1", "without a query"),
        ("https://apimodels.app/api/v1#part", "without a query or a fragment"),
    ],
)
def test_a_base_url_that_is_none_is_refused_by_name_and_not_quoted(url: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^base_url: .*{reason}") as error:
        settled(url)
    with pytest.raises(ConfigurationError, match=f"^APIMODELS_BASE_URL: .*{reason}"):
        settled(APIMODELS_BASE_URL=url)

    assert "password" not in str(error.value)
    assert "key=1" not in str(error.value)


@pytest.mark.parametrize("url", ["http://models.example/v1", "http://10.0.0.7:8787", "http://localhost.example"])
def test_plain_http_to_another_machine_is_warned_of_once(url: str) -> None:
    with pytest.warns(UserWarning, match="plain http to .*: the API key and the pictures travel unprotected") as warned:
        settings = settled(url)

    assert len(warned) == 1
    assert str(warned[0].message).startswith("base_url is plain http")
    assert settings.base_url == url


def test_plain_http_from_the_environment_is_warned_of_by_its_name() -> None:
    with pytest.warns(UserWarning, match=r"^APIMODELS_BASE_URL is plain http to models.example"):
        settled(APIMODELS_BASE_URL="http://models.example/v1")


def test_the_default_is_the_contracts_base_url() -> None:
    assert _settings.DEFAULT_BASE_URL == "https://apimodels.app/api/v1"


@pytest.mark.parametrize("url", ["https://h.example/v1?", "https://h.example/v1#", "https://h.example/v1/?"])
def test_a_base_url_with_an_empty_query_is_refused_as_well(url: str) -> None:
    with pytest.raises(ConfigurationError, match="without a query"):
        resolve(Secret("sk_1"), url, None, getenv=lambda _: None)


def test_an_empty_base_url_is_not_quietly_the_vendors() -> None:
    with pytest.raises(ConfigurationError, match=r"^base_url"):
        resolve(Secret("sk_1"), "", None, getenv=lambda _: None)


def test_a_machine_without_a_home_has_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(ConfigurationError, match="no API key"):
        resolve(None, None, None, getenv=lambda _: None)

"""What an answer means that brings no task: refusals, pages in place of JSON, and the smaller calls."""

import json
import re

import pytest

from apimodels_async import errors
from apimodels_async._wire.answer import RawResponse
from apimodels_async._wire.tasks import is_moderation, read_balance, read_models, read_public_url, read_task
from apimodels_async.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    InsufficientCreditsError,
    ProtocolError,
    RateLimitError,
    RequestTooLargeError,
    ServerError,
    ServerTimeoutError,
    TaskNotFoundError,
)


def answer(payload: object, status: int = 200, **rest: object) -> RawResponse:
    return RawResponse(status, json.dumps(payload).encode(), **rest)  # type: ignore[arg-type]


def refusal_of(given: RawResponse, task_id: str | None = None) -> APIError:
    with pytest.raises(APIError) as error:
        read_task(given, task_id=task_id)
    return error.value


NO_CODE = object()


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        # The envelope's code decides, whatever the status line says.
        (200, 400, BadRequestError),
        (200, 401, AuthenticationError),
        (200, 402, InsufficientCreditsError),
        (200, 404, APIError),
        (200, 429, RateLimitError),
        (200, 500, ServerError),
        (200, 503, ServerError),
        (200, 599, ServerError),
        (200, 403, APIError),
        (200, 422, BadRequestError),
        (200, 413, RequestTooLargeError),
        (200, 455, ServerError),
        (200, 501, ServerError),
        (200, 505, ServerError),
        (200, 524, ServerTimeoutError),
        (200, "402", InsufficientCreditsError),
        (500, 400, BadRequestError),
        (400, 500, ServerError),
        (429, 401, AuthenticationError),
        (201, 404, APIError),
        # A code that is no error of HTTP leaves it to the status line.
        (400, 0, BadRequestError),
        (429, 1001, RateLimitError),
        (500, -1, ServerError),
        (200, 0, APIError),
        (200, 201, APIError),
        (200, 50000, APIError),
        (404, NO_CODE, APIError),
        (400, NO_CODE, BadRequestError),
        (401, None, AuthenticationError),
        (402, True, InsufficientCreditsError),
        (429, "", RateLimitError),
        (500, "ERR_X", ServerError),
        (502, [], ServerError),
        (418, NO_CODE, APIError),
        (301, NO_CODE, APIError),
        (400, "9" * 5000, BadRequestError),
        (400, "\u00b2", BadRequestError),
    ],
)
def test_a_refused_creates_class_follows_the_envelopes_code_and_then_the_status_line(
    status: int, code: object, kind: type[APIError]
) -> None:
    payload = {"msg": "no"} if code is NO_CODE else {"code": code, "msg": "no"}

    error = refusal_of(answer(payload, status))

    assert type(error) is kind
    assert error.status == status
    numeric = isinstance(code, int) and not isinstance(code, bool)
    assert error.code == (code if numeric else 402 if code == "402" else None)


@pytest.mark.parametrize("status", [200, 201, 202, 302, 400, 404, 429, 500, 503])
@pytest.mark.parametrize("code", [200, "200"])
def test_a_code_of_200_is_no_refusal_whatever_the_status_line_says(status: int, code: object) -> None:
    task = read_task(answer({"code": code, "data": {"taskId": "t", "state": "pending"}}, status))

    assert task.id == "t"


def test_the_drawings_numbers_are_the_ones_that_are_raised() -> None:
    lines = re.findall(r"(\w+Error) +(\d)(\d\d|xx)$", errors.__doc__ or "", re.MULTILINE)

    assert len(lines) == 6
    for name, first, rest in lines:
        error = refusal_of(answer({"code": int(first + rest.replace("xx", "03"))}), task_id="t")
        assert type(error).__name__ == name


@pytest.mark.parametrize(
    "payload",
    [
        {"code": 400, "msg": "size is out of range"},
        {"code": 400, "msg": "  size is out of range\n", "message": "other"},
        {"code": 400, "msg": "", "message": "size is out of range"},
        {"code": 400, "error": {"message": "size is out of range", "type": "x"}},
        {"code": 400, "error": "size is out of range"},
        {"code": 400, "detail": "size is out of range"},
        {"code": 400, "msg": ["odd"], "message": None, "error": {"message": 7}, "detail": "size is out of range"},
        {"code": 400, "data": {"failCode": "INVALID_INPUT", "failMsg": "size is out of range"}},
        {"code": 400, "data": {"error": "size is out of range"}},
        {"code": 400, "data": {"message": "size is out of range"}},
        {"code": 400, "data": "size is out of range"},
        {"code": 400, "msg": {"message": "size is out of range"}},
        {"code": 400, "error": {"msg": "size is out of range"}},
        {"code": 400, "errors": [{"message": "size is out of range"}]},
        {"code": 400, "detail": [{"loc": ["body", "size"], "msg": "size is out of range"}]},
        {"code": 400, "msg": "", "data": {"failCode": "size is out of range", "failMsg": ""}},
        {"code": 400, "failMsg": "size is out of range"},
    ],
)
def test_a_refusal_keeps_the_servers_words(payload: dict[str, object]) -> None:
    error = refusal_of(answer(payload))

    assert error.msg == "size is out of range"
    assert str(error).startswith("size is out of range (code 400, HTTP 200)")
    assert json.loads(error.body) == payload


@pytest.mark.parametrize("payload", [{"code": 400}, {"code": 400, "msg": " "}, {"code": 400, "detail": [{"loc": 1}]}])
def test_a_refusal_without_words_says_that_no_reason_was_given(payload: dict[str, object]) -> None:
    error = refusal_of(answer(payload, 400))

    assert error.msg == ""
    assert str(error) == "no reason given (HTTP 400)"


def test_a_refusal_names_the_request_and_how_long_to_wait() -> None:
    error = refusal_of(answer({"code": 429, "msg": "slow down"}, 429, request_id="req-7", retry_after=2.5))

    assert (error.request_id, error.retry_after) == ("req-7", 2.5)
    assert str(error) == "slow down (HTTP 429, request req-7)"


@pytest.mark.parametrize(
    ("payload", "status", "moderated"),
    [
        ({"data": {"failCode": "CONTENT_MODERATION"}}, 400, True),
        ({"data": {"failCode": "CONTENT_MODERATION", "failMsg": "nsfw"}}, 422, True),
        ({"code": 422, "msg": "content moderation"}, 422, True),
        ({"code": 400, "msg": "no", "data": {"failMsg": "flagged by safety"}}, 200, True),
        ({"error": {"message": "no", "code": "moderation_blocked"}}, 400, True),
        ({"failCode": "NSFW"}, 400, True),
        ({"code": 400, "msg": "safety_tolerance is out of range"}, 400, False),
        ({"data": {"failCode": "INVALID_INPUT", "failMsg": "size"}}, 422, False),
        ({"code": 500, "msg": "content moderation"}, 500, False),
        ({"code": 403, "msg": "content moderation"}, 403, False),
    ],
)
def test_a_refusal_comes_from_moderation_where_its_code_or_words_say_so(
    payload: object, status: int, moderated: bool
) -> None:
    assert is_moderation(refusal_of(answer(payload, status))) is moderated


@pytest.mark.parametrize(
    ("code", "hint"), [(401, "apimodels.app/console/api-keys"), (402, "apimodels.app/console/credits")]
)
def test_a_refusal_that_the_user_can_mend_says_where(code: int, hint: str) -> None:
    assert hint in str(refusal_of(answer({"code": code})))
    assert hint not in str(refusal_of(answer({"code": 400})))


def test_a_redirect_is_a_refusal_that_points_at_the_base_url() -> None:
    error = refusal_of(RawResponse(308, b""))

    assert type(error) is APIError
    assert "check base_url" in str(error)


def test_a_refused_query_carries_the_task_id_that_was_asked_for() -> None:
    assert refusal_of(answer({"code": 404, "msg": "unknown"}), "t").task_id == "t"
    assert refusal_of(RawResponse(500, b"<html>"), "t").task_id == "t"
    assert refusal_of(answer({"code": 404})).task_id is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, APIError),
        (401, APIError),
        (402, APIError),
        (403, APIError),
        (404, APIError),
        (407, APIError),
        (413, RequestTooLargeError),
        (429, RateLimitError),
        (455, APIError),
        (500, ServerError),
        (502, ServerError),
        (504, ServerError),
        (524, ServerTimeoutError),
        (302, APIError),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html>Bad gateway</html>", b'{"code": 5', b"[]", b'"no"', b"\xff\xfe\xfd"])
def test_a_page_that_refuses_a_create_is_not_the_apis_word(status: int, kind: type[APIError], body: bytes) -> None:
    error = refusal_of(RawResponse(status, body))

    assert type(error) is kind
    assert not error.from_api
    assert (error.status, error.code, error.msg) == (status, None, "")
    assert error.body == body.decode("utf-8", "replace")


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 407, 413, 418])
def test_a_page_in_place_of_the_answer_to_a_query_is_no_refusal(status: int) -> None:
    page = b"<html><head><title>404 Not Found</title></head></html>"
    with pytest.raises(ProtocolError, match=r"by nginx.*'404 Not Found'") as odd:
        read_task(RawResponse(status, page, server="nginx"), task_id="t")
    assert (odd.value.status, odd.value.task_id) == (status, "t")


@pytest.mark.parametrize(
    ("status", "kind"), [(429, RateLimitError), (500, ServerError), (503, ServerError), (302, APIError)]
)
def test_a_page_that_asks_a_query_for_patience_or_sends_it_away_needs_no_json(
    status: int, kind: type[APIError]
) -> None:
    error = refusal_of(RawResponse(status, b"<html>"), task_id="t")
    assert type(error) is kind
    assert not error.from_api


@pytest.mark.parametrize(
    "payload",
    [{"message": "Unauthorized"}, {"detail": "no"}, {"type": "about:blank", "title": "no", "status": 401}, {"a": 1}],
)
def test_the_json_of_a_gateway_is_not_the_apis_word(payload: dict[str, object]) -> None:
    body = json.dumps(payload).encode()
    created = refusal_of(RawResponse(401, body, server="kong/3.4"))
    asked = refusal_of(RawResponse(404, body), task_id="t")

    assert (type(created), created.from_api) == (AuthenticationError, False)
    assert (type(asked), asked.from_api, asked.task_id) == (TaskNotFoundError, False, "t")
    assert "HTTP 401, JSON by kong/3.4, not the API's answer" in str(created)
    assert created.msg == payload.get("message", payload.get("detail", ""))


@pytest.mark.parametrize(
    "payload", [{"code": 401}, {"code": "401"}, {"msg": "no"}, {"data": None}, {"error": "no"}, {"failCode": "X"}]
)
def test_one_field_of_the_contract_makes_it_the_apis_word(payload: dict[str, object]) -> None:
    assert refusal_of(RawResponse(401, json.dumps(payload).encode())).from_api


def test_a_redirect_says_from_where_it_leads_to_where() -> None:
    answer = RawResponse(301, b"", url="http://a.test/api/v1/balance", location="https://a.test/api/v1/balance")
    assert "(here from http://a.test/api/v1/balance to https://a.test/api/v1/balance): check base_url" in str(
        refusal_of(answer)
    )


NGINX = b"<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n<body>\r\n<h1>no</h1></body></html>"


@pytest.mark.parametrize(
    ("status", "body", "server", "shown"),
    [
        (413, NGINX, "nginx/1.22", "413 Request Entity Too Large (HTTP 413, an HTML page by nginx/1.22, not the API's"),
        (403, b"<h1>Access <b>denied</b> &amp; logged</h1>", "", "Access denied & logged (HTTP 403, an HTML page, not"),
        (502, b"", "haproxy", "Bad Gateway (HTTP 502, an empty answer by haproxy, not the API's answer)"),
        (403, b"go away", "", "Forbidden (HTTP 403, text, not the API's answer)"),
        (599, b"", "", "no reason given (HTTP 599, an empty answer, not the API's answer)"),
        (403, b"<title> </title><h1>\n No\n </h1>", "", "No (HTTP 403"),
        (403, b"<title>" + b"x" * 5000, "", "Forbidden (HTTP 403"),
    ],
)
def test_a_pages_title_or_else_the_status_stands_in_for_the_reason(
    status: int, body: bytes, server: str, shown: str
) -> None:
    assert str(refusal_of(RawResponse(status, body, server=server))).startswith(shown)


def test_a_title_is_the_servers_words() -> None:
    assert refusal_of(RawResponse(413, NGINX)).msg == "413 Request Entity Too Large"


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        (RawResponse(413, NGINX), "client.upload"),
        (answer({"code": 413, "msg": "too large"}), "client.upload"),
        (RawResponse(413, b"Request Entity Too Large\n\nFUNCTION_PAYLOAD_TOO_LARGE\n"), "https://api.apimodels.app/v1"),
        (RawResponse(524, b"<title>524: A timeout occurred</title>"), "the work may go on"),
        (answer({"code": 455, "msg": "maintenance"}), "try again later"),
        (answer({"code": 505, "msg": "off"}), "take another model"),
        (RawResponse(407, b""), "name:password@host:port"),
        (RawResponse(404, b"", url="https://a/api/images"), "https://a/api/images: check base_url"),
        (answer({"code": 404}, url="https://a/api/images"), "https://a/api/images: check base_url"),
    ],
)
def test_a_refused_create_says_what_to_do(given: RawResponse, hint: str) -> None:
    assert hint in str(refusal_of(given))


def test_a_model_that_is_not_found_says_nothing_about_the_base_url() -> None:
    given = answer({"code": 404, "msg": "The model `x` does not exist"}, url="https://a/api/images")
    assert "base_url" not in str(refusal_of(given))


def test_a_401_page_says_nothing_about_the_key() -> None:
    assert "key" not in str(refusal_of(RawResponse(401, b"<title>401</title>")))


@pytest.mark.parametrize("read", [read_balance, read_public_url, read_models])
@pytest.mark.parametrize(
    "given", [RawResponse(404, b"<html>", url="https://a/x"), answer({"code": 404}, url="https://a/x")]
)
def test_a_smaller_call_that_finds_nothing_there_points_at_the_base_url(read: object, given: RawResponse) -> None:
    assert callable(read)
    with pytest.raises(ConfigurationError, match="https://a/x: check base_url") as wrong:
        read(given)
    assert isinstance(wrong.value.__cause__, APIError)


@pytest.mark.parametrize("status", [200, 201, 204])
@pytest.mark.parametrize("body", [b"", b"<html>Just a moment...</html>", b'{"code": 200, "da', b"[]", b"7", b"{}"])
def test_an_answer_that_says_yes_without_json_is_outside_the_contract(status: int, body: bytes) -> None:
    with pytest.raises(ProtocolError, match="without the JSON that the contract promises") as error:
        read_task(RawResponse(status, body), task_id="t")

    assert (error.value.status, error.value.body, error.value.task_id) == (status, body.decode(), "t")


def test_an_odd_answer_is_shown_in_short_and_kept_in_full() -> None:
    page = b"<html>" + b"x" * 5000

    with pytest.raises(ProtocolError) as error:
        read_task(RawResponse(200, page))

    assert len(str(error.value)) < 350
    assert "<html>xxx" in str(error.value)
    assert str(error.value).endswith("…")
    assert error.value.body == page.decode()


def test_a_page_in_place_of_an_answer_to_a_query_names_its_sender_and_the_proxy() -> None:
    page = RawResponse(407, b"<title>Password?</title>", server="tinyproxy", via="http://proxy:3128 (HTTP_PROXY)")

    with pytest.raises(ProtocolError, match=r"by tinyproxy, through the proxy http://proxy:3128 \(HTTP_PROXY\)\)"):
        read_task(page, task_id="t")


# --- the smaller calls


def test_the_models_are_read_from_openais_list() -> None:
    listed = {"data": [{"id": "a/b"}, {"id": "c"}, {"id": None}, {}, None, "d", {"id": 7}]}

    assert read_models(answer(listed)) == ["a/b", "c"]
    assert read_models(answer({"code": 200, **listed})) == ["a/b", "c"]
    assert read_models(answer({"data": []})) == []
    assert read_models(answer({"data": ["a/b", "c"]})) == ["a/b", "c"]
    assert read_models(answer({"data": [{"name": "a/b"}]})) == ["a/b"]
    assert read_models(answer({"data": {"models": [{"id": "a/b"}]}})) == ["a/b"]
    with pytest.raises(ProtocolError, match="a list of models without their ids"):
        read_models(answer({"data": [{"title": "a"}]}))


@pytest.mark.parametrize(("balance", "read"), [(12.5, 12.5), (0, 0.0), ("3.20", 3.2), (-1, -1.0)])
def test_the_balance_is_a_number_of_dollars(balance: object, read: float) -> None:
    assert read_balance(answer({"code": 200, "data": {"balance": balance}})) == read


def test_the_hosted_link_is_read_from_the_envelope() -> None:
    assert read_public_url(answer({"code": 200, "data": {"publicUrl": "https://f/1"}})) == "https://f/1"


@pytest.mark.parametrize(
    "data", [None, {}, [], "x", 7, {"balance": None, "publicUrl": None}, {"balance": [], "publicUrl": []}]
)
@pytest.mark.parametrize(
    ("read", "missing"),
    [(read_balance, "a balance"), (read_public_url, "publicUrl"), (read_models, "a list of models")],
)
def test_a_smaller_answer_without_what_was_asked_for_is_outside_the_contract(
    data: object, read: object, missing: str
) -> None:
    if read is read_models and data == []:
        return
    assert callable(read)

    with pytest.raises(ProtocolError, match=missing) as error:
        read(answer({"code": 200, "data": data}))

    assert json.loads(error.value.body) == {"code": 200, "data": data}


@pytest.mark.parametrize("read", [read_balance, read_public_url, read_models])
def test_a_refusal_of_a_smaller_call_is_typed_as_well(read: object) -> None:
    assert callable(read)

    with pytest.raises(AuthenticationError):
        read(answer({"code": 401, "msg": "bad key"}))
    with pytest.raises(ServerError):
        read(RawResponse(503, b"<html>"))
    with pytest.raises(ProtocolError):
        read(RawResponse(200, b"<html>"))


@pytest.mark.parametrize("balance", [10**400, float("nan"), float("inf"), "nan", "inf", True])
def test_a_balance_that_is_no_amount_is_outside_the_contract(balance: object) -> None:
    with pytest.raises(ProtocolError, match="a balance"):
        read_balance(answer({"code": 200, "data": {"balance": balance}}))

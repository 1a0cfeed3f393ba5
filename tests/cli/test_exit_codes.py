"""The table of exit codes."""

import inspect

import pytest

from apimodels_async import errors
from apimodels_async.cli import exit_codes

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.ApimodelsError)]
WITHOUT_A_ROW = {errors.APIError: 1, errors.ResultExpiredError: 14}
"""Those whose code is their parent's."""


@pytest.mark.parametrize("kind", KINDS)
def test_every_class_of_error_has_an_exit_code(kind: type[errors.ApimodelsError]) -> None:
    rows = [row.code for row in exit_codes.TABLE if kind in row.errors]

    assert rows == [exit_codes.code_of(kind.__new__(kind))] if kind not in WITHOUT_A_ROW else not rows


@pytest.mark.parametrize(("kind", "code"), WITHOUT_A_ROW.items())
def test_an_error_without_a_row_of_its_own_ends_as_its_parent(kind: type[errors.ApimodelsError], code: int) -> None:
    assert exit_codes.code_of(kind.__new__(kind)) == code


def test_no_code_stands_twice_and_all_stand_in_order() -> None:
    codes = [row.code for row in exit_codes.TABLE]

    assert codes == sorted(set(codes))


def test_the_money_questions_each_have_a_code_of_their_own() -> None:
    assert [exit_codes.code_of(kind.__new__(kind)) for kind in (
        errors.SubmissionUnknownError, errors.GenerationFailedError, errors.ContentPolicyError, errors.WaitTimeoutError,
    )] == [10, 11, 12, 13]  # fmt: skip

"""The entry point. It must also work without the extra ``cli``."""

import sys

_COMES_WITH_THE_EXTRA = {"click", "rich", "shellingham", "typer"}


def main() -> int:
    """Run the command that the process was started with, and return its exit code."""
    try:
        # Imported only now, so that a missing library is one line and not a traceback.
        from apimodels_async.cli.app import run  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _COMES_WITH_THE_EXTRA:
            raise
        sys.stderr.write(
            f"apimodels: the command line needs {error.name}, which comes with an extra: "
            'pip install "apimodels-async[cli]"\n'
        )
        return 3  # as exit_codes says; what is missing may be what that module needs
    except KeyboardInterrupt:
        return 130
    return run(sys.argv[1:])

"""The options that several commands share, and the groups that a command takes whole."""

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple, TypeAlias, TypeVar

import typer

from apimodels_async import catalogue
from apimodels_async.cli.stderr import show_everything
from apimodels_async.cli.values import number

__all__ = [
    "DEFAULT_MODEL",
    "REQUEST",
    "SAVING",
    "AsJson",
    "Extra",
    "Folder",
    "Name",
    "Output",
    "ServerChoice",
    "Timeout",
    "Verbose",
    "maybe_local",
    "quiet",
    "remote",
    "takes",
]

DEFAULT_MODEL = "grok-image/grok-4.2-image"

REQUEST = "Request"
SAVING = "Pictures"
SERVER = "Server"

Name: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--name",
        metavar="TEXT",
        rich_help_panel=SAVING,
        show_default="the task's id",
        help='What the files are called, as "{model}-{id}". No file is replaced: -2, -3 are added.',
    ),
]
Output: TypeAlias = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE|FOLDER|URL",
        rich_help_panel=SAVING,
        show_default="the current folder",
        help="cat.png is the file of one picture, pictures/ a folder, which is made, s3://bucket/prefix a store.",
    ),
]
Folder: TypeAlias = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        metavar="FOLDER|URL",
        rich_help_panel=SAVING,
        show_default="the current folder",
        help="Where the pictures go: a folder, made if it is not there, or a store, as s3://bucket/prefix.",
    ),
]
AsJson: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on stdout, or, for an error, on stderr.")
]
Extra: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--extra",
        metavar="JSON",
        rich_help_panel=REQUEST,
        help='Fields of the request that have no option, as {"style": "ink"}.',
    ),
]
Timeout: TypeAlias = Annotated[
    float,
    typer.Option("--timeout", metavar="SECONDS", parser=number(0), help="How long to wait; the task goes on after it."),
]
Verbose: TypeAlias = Annotated[bool, typer.Option("--verbose", "-v", help="Say on stderr what is done, step by step.")]
BaseUrl: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--base-url",
        metavar="URL",
        rich_help_panel=SERVER,
        show_default="APIMODELS_BASE_URL, or the vendor's",
        help="The server.",
    ),
]
Local: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--local",
        rich_help_panel=SERVER,
        help="Use a gateway on this machine, started for this command: no key, no network, no bill.",
    ),
]


def _known_models(incomplete: str) -> list[str]:
    return [each.id for each in catalogue.MODELS if each.id.startswith(incomplete)]


Model: TypeAlias = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        metavar="ID",
        envvar="APIMODELS_MODEL",
        autocompletion=_known_models,
        rich_help_panel=REQUEST,
        help="The model; `apimodels models` lists them.",
    ),
]


class ServerChoice(NamedTuple):
    """The server that a command talks to.

    Attributes:
        base_url: as given; ``None`` for that of the settings.
        local: whether it is a gateway that is started for the command.
    """

    base_url: str | None = None
    local: bool = False


# --- groups of options: what a group's function returns is what the command receives


def quiet(*, verbose: Verbose = False) -> None:
    """For a command that talks to no server of the settings."""
    if verbose:
        show_everything()


def remote(*, base_url: BaseUrl = None, verbose: Verbose = False) -> ServerChoice:
    """For a command that talks to a server with tasks of its own."""
    quiet(verbose=verbose)
    return ServerChoice(base_url)


def maybe_local(*, local: Local = False, base_url: BaseUrl = None, verbose: Verbose = False) -> ServerChoice:
    """For a command that may also talk to a gateway of its own."""
    quiet(verbose=verbose)
    if local and base_url is not None:
        raise typer.BadParameter("give either --local or --base-url")
    return ServerChoice(base_url, local)


T = TypeVar("T")


def takes(**groups: Callable[..., Any]) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Give a command all options of some groups.

    Args:
        groups: by the name of the command's parameter, the function whose parameters are the options. The command is
            called with what that returns; with nothing, for a parameter that it does not have.
    """

    def decorate(command: Callable[..., T]) -> Callable[..., T]:
        own = inspect.signature(command).parameters
        options = {name: inspect.signature(group).parameters for name, group in groups.items()}

        @functools.wraps(command)
        def run(**given: Any) -> T:
            made = {name: group(**{each: given.pop(each) for each in options[name]}) for name, group in groups.items()}
            return command(**given, **{name: value for name, value in made.items() if name in own})

        parameters = [each for name, each in own.items() if name not in groups]
        parameters += [each for found in options.values() for each in found.values()]
        # As an attribute, because that is where `inspect` looks first.
        run.__dict__["__signature__"] = inspect.Signature(
            sorted((each.replace(kind=_kind(each)) for each in parameters), key=lambda each: each.kind)
        )
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        del run.__dict__["__wrapped__"]  # whose annotations would be taken for those of `run`
        return run

    return decorate


def _kind(parameter: inspect.Parameter) -> Any:
    required = parameter.default is inspect.Parameter.empty
    return inspect.Parameter.POSITIONAL_OR_KEYWORD if required else inspect.Parameter.KEYWORD_ONLY

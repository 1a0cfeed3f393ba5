"""The options that several commands share."""

from typing import Annotated, TypeAlias

import typer

__all__ = ["DEFAULT_MODEL", "AsJson", "Local", "Model", "Output", "Timeout"]

DEFAULT_MODEL = "grok-image/grok-4.2-image"

Model: TypeAlias = Annotated[
    str, typer.Option("--model", "-m", envvar="APIMODELS_MODEL", help="The model; `apimodels models` lists them.")
]
Output: TypeAlias = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        metavar="DIR|URL",
        show_default="the current directory",
        help="Where the pictures go: a folder, made if it is not there, or a store, as s3://bucket/prefix.",
    ),
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else, on stdout.")]
Local: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--local", help="Use a gateway on this machine, started for this command: no key, no network, no bill."
    ),
]
Timeout: TypeAlias = Annotated[
    float,
    typer.Option("--timeout", metavar="SECONDS", min=0, help="How long to wait; the task goes on after it."),
]

"""``apimodels completion``: what a shell needs to complete commands, options and models."""

from typing import Annotated

import typer
from typer.completion import completion_init, get_completion_script

from apimodels_async.cli.options import quiet, takes
from apimodels_async.cli.values import one_of

__all__ = ["completion"]

completion_init()  # makes typer's own protocol answer, which the scripts speak


@takes(log=quiet)
def completion(
    shell: Annotated[
        str,
        typer.Argument(metavar="SHELL", parser=one_of("bash", "zsh", "fish"), help="bash, zsh or fish."),
    ],
) -> None:
    """Print the script with which a shell completes `apimodels` on Tab.

    Write it where the shell looks for such files, and start a new shell:

    - bash: apimodels completion bash > ~/.local/share/bash-completion/completions/apimodels
    - zsh: apimodels completion zsh > ~/.zfunc/_apimodels, a folder that stands in fpath
    - fish: apimodels completion fish > ~/.config/fish/completions/apimodels.fish
    """
    typer.echo(get_completion_script(prog_name="apimodels", complete_var="_APIMODELS_COMPLETE", shell=shell))

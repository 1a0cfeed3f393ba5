"""``apimodels completion``: what a shell needs to complete commands, options and models."""

from typing import Annotated

import typer
from typer import completion as shells

from apimodels_async.cli.options import quiet, takes
from apimodels_async.cli.values import one_of

__all__ = ["completion"]

shells.completion_init()  # type: ignore[attr-defined]  # makes typer's own protocol answer, which the scripts speak

_ON_FIRST_TAB = """
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _apimodels_completion "$@"
fi
"""
"""zsh reads the file on the first Tab, which would complete nothing otherwise."""


@takes(log=quiet)
def completion(
    shell: Annotated[
        str,
        typer.Argument(metavar="SHELL", parser=one_of("bash", "zsh", "fish"), help="bash, zsh or fish."),
    ],
) -> None:
    """Print the script with which a shell completes `apimodels` on Tab.

    Write it where the shell looks for such files, and start a new shell:

    - bash: ~/.local/share/bash-completion/completions/apimodels
    - zsh: _apimodels, in a folder of fpath
    - fish: ~/.config/fish/completions/apimodels.fish
    """
    script = shells.get_completion_script(  # type: ignore[attr-defined]
        prog_name="apimodels", complete_var="_APIMODELS_COMPLETE", shell=shell
    )
    typer.echo(script + _ON_FIRST_TAB if shell == "zsh" else script)

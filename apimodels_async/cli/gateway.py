"""``apimodels gateway``: the API on this machine, until Ctrl-C."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from apimodels_async.cli import exit_codes
from apimodels_async.cli.failures import CommandFailed, cannot_listen
from apimodels_async.cli.gateway_log import RequestPrinter
from apimodels_async.cli.local import gateway_module
from apimodels_async.cli.options import quiet, takes
from apimodels_async.cli.screen import Screen
from apimodels_async.cli.values import number, whole

__all__ = ["gateway"]


@takes(log=quiet)
def gateway(
    *,
    port: Annotated[
        int, typer.Option(metavar="N", parser=whole(0, 65535), help="Where to listen; 0 takes a free port.")
    ] = 8787,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="The address to listen on.")] = "127.0.0.1",
    store: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            show_default="a temporary one",
            help="Keeps tasks and pictures over restarts.",
        ),
    ] = None,
    latency: Annotated[
        str | None,
        typer.Option(metavar="MEDIAN/P90", show_default="0.6/1.5", help="Seconds a task takes, spread log-normally."),
    ] = None,
    api_key: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY", show_default="sk_localdevelopment", help="A key it takes; can be repeated."),
    ] = None,
    callback_to: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST",
            show_default="this machine alone",
            help="A host or network that a callback_url may lead to; can be repeated.",
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="HOST",
            show_default="localhost and addresses alone",
            help="A name that it is reached by; can be repeated.",
        ),
    ] = None,
    keep: Annotated[
        float, typer.Option(metavar="DAYS", parser=number(0, above=True), help="How long pictures and files are kept.")
    ] = 7.0,
    any_model: Annotated[
        bool, typer.Option("--any-model", help="Accept models that the catalogue does not list.")
    ] = False,
    faults: Annotated[
        str,
        typer.Option(
            metavar="FAULT:RATE,…",
            show_default="none",
            help="The share of requests that fail, as 429:0.05,500:0.02; also 413, 524, drop, and state.",
        ),
    ] = "",
    cors: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ORIGIN", show_default="none", help="A web page's origin that may use it; can be repeated."
        ),
    ] = None,
    silent: Annotated[bool, typer.Option("--quiet", "-q", help="Print no line for each request.")] = False,
    max_body: Annotated[
        float | None,
        typer.Option(
            metavar="MB",
            parser=number(0, above=True),
            show_default="50",
            help="The largest request; 4.5 as the vendor's default address, 413 above.",
        ),
    ] = None,
    balance: Annotated[
        float, typer.Option(metavar="US$", parser=number(0), help="What was paid into the account.")
    ] = 10.0,
) -> None:
    """Run the API on this machine: no network, no bill, real pictures.

    Prints its address and key as lines to paste into a shell, and stays until Ctrl-C. Its address is also a page for a
    browser: tasks as they come, a form to try every parameter, requests and callbacks.
    """
    module = gateway_module()
    keys = tuple(api_key or [module.DEFAULT_API_KEY])

    def announce(base_url: str) -> None:
        # All of it can be pasted as it is: what is no export is a comment.
        typer.echo(f"# The local gateway answers at {base_url}")
        typer.echo(f"export APIMODELS_BASE_URL={shlex.quote(base_url)}")
        typer.echo(f"export APIMODELS_API_KEY={shlex.quote(keys[0])}")
        for key in keys[1:]:
            typer.echo(f"# export APIMODELS_API_KEY={shlex.quote(key)}")
        kept = "a temporary file that goes when it ends" if store is None else store.resolve()
        typer.echo(f"# Tasks and pictures are kept in {kept}")
        typer.echo(f"# A page to look at: {base_url.partition('/api/')[0]}/")
        typer.echo("# Ctrl-C ends it")

    printer = None if silent else RequestPrinter(Screen())
    try:
        module.serve(
            host=host,
            port=port,
            on_ready=announce,
            store=store,
            latency=latency or module.DEFAULT_LATENCY,
            api_keys=keys,
            balance=balance,
            callback_hosts=callback_to or (),
            allowed_hosts=allow_host or (),
            keep=keep,
            any_model=any_model,
            faults=faults,
            cors=cors or (),
            on_answer=printer,
            max_body=None if max_body is None else round(max_body * 1e6),
        )
    except KeyboardInterrupt:
        return  # where the loop takes no signals
    except ValueError as error:
        raise CommandFailed(str(error), exit_codes.USAGE) from error
    except OSError as error:
        raise CommandFailed(cannot_listen(error, host, port), exit_codes.CONFIGURATION) from error
    finally:
        if printer is not None:
            printer.close()

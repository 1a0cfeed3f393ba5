"""``login``, ``upload``, ``open``, ``completion``, ``python -m``, and the options that every command has."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer.main

from apimodels_async.cli.app import app
from tests.cli.conftest import PATIENCE

ZSH = """
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'PS1="ready> "; fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -D; print set-$((1+1))'
zpty -r shell answer '*set-2*'
zpty -w -n shell $'apimodels bal\\t'
zpty -r shell answer '*apimodels balance*'
"""
"""An interactive shell in a terminal of its own, to which a Tab is sent."""


class TestLogin:
    """The key comes from stdin, and goes into the file that the client reads."""

    def login(self, apimodels: Any, key: str, settings: Any) -> Any:
        process = apimodels.start("login", settings=settings, stdin=subprocess.PIPE)
        out, err = process.communicate(key, timeout=PATIENCE)
        return subprocess.CompletedProcess("login", process.returncode, out, err)

    def test_the_key_is_written_for_its_owner_only_and_used_from_then_on(self, apimodels: Any, here: Any) -> None:
        server = {"APIMODELS_BASE_URL": here["APIMODELS_BASE_URL"]}
        place = apimodels.folder / ".apimodels" / "credentials"

        done = self.login(apimodels, f"  {here['APIMODELS_API_KEY']}\r\n", server)
        balance = apimodels("balance", settings=server)

        assert (done.returncode, done.stdout) == (0, "")
        assert done.stderr == f"The key is written in {place}.\n"
        assert place.read_text() == f"{here['APIMODELS_API_KEY']}\n"
        assert os.name != "posix" or stat.S_IMODE(place.stat().st_mode) == 0o600
        assert [path.name for path in place.parent.iterdir()] == ["credentials"]
        assert balance.returncode == 0, balance.stderr

    def test_a_key_that_is_not_accepted_is_not_written(self, apimodels: Any, here: Any) -> None:
        server = {"APIMODELS_BASE_URL": here["APIMODELS_BASE_URL"]}

        done = self.login(apimodels, "sk_other\n", server)

        assert done.returncode == 5
        assert "sk_other" not in done.stderr
        assert not (apimodels.folder / ".apimodels").exists()

    def test_a_key_that_cannot_be_one_is_not_repeated(self, apimodels: Any) -> None:
        done, empty = self.login(apimodels, "two words\n", {}), self.login(apimodels, "", {})

        assert (done.returncode, empty.returncode) == (3, 2)
        assert done.stderr.startswith("apimodels: the key: an API key is printable ASCII")
        assert "two words" not in done.stderr
        assert empty.stderr == "apimodels: the key is empty: type it, or pipe it to stdin; nothing was sent\n"

    def test_a_server_that_cannot_be_reached_is_a_warning(self, apimodels: Any) -> None:
        done = self.login(apimodels, "sk_new\n", {"APIMODELS_BASE_URL": "http://127.0.0.1:9"})

        assert done.returncode == 0
        assert done.stderr.startswith("apimodels: the key could not be tried (")
        assert (apimodels.folder / ".apimodels" / "credentials").read_text() == "sk_new\n"


def test_upload_prints_a_url_for_each_picture(apimodels: Any, here: Any, picture: Callable[..., str]) -> None:
    red, blue = picture("red.png", colour="red"), picture("blue.png", colour="blue")

    lines = apimodels("upload", red, blue, settings=here)
    told = apimodels("upload", red, "--json", settings=here)
    edited = apimodels("generate", "at night", "--image", lines.stdout.splitlines()[0], "-o", "a.png", settings=here)

    assert (lines.returncode, lines.stderr) == (0, "")
    assert len(lines.stdout.splitlines()) == 2
    assert [re.match("http://", url) is not None for url in json.loads(told.stdout)["urls"]] == [True]
    assert edited.stdout == "a.png\n", edited.stderr


class TestOpen:
    """The desktop's program is named by BROWSER; here it writes down what it is given."""

    @pytest.fixture
    def opened(self, apimodels: Any, tmp_path: Path) -> Callable[..., tuple[Any, list[str]]]:
        script = tmp_path / "browser.py"
        script.write_text("import sys; open('opened.txt', 'a').write(sys.argv[1] + '\\n')")

        def run(*arguments: str, settings: Any = None) -> tuple[Any, list[str]]:
            browser = {"BROWSER": f"{sys.executable} {script} %s", **(settings or {})}
            process = apimodels.start("open", *arguments, settings=browser)
            out, err = process.communicate(timeout=PATIENCE)
            seen = tmp_path / "opened.txt"
            return (process.returncode, out, err), seen.read_text().splitlines() if seen.exists() else []

        return run

    def test_a_task_has_its_links_opened(self, apimodels: Any, here: Any, opened: Any) -> None:
        task = json.loads(apimodels("generate", "a fox", "-n", "2", "--size", "64x64", "--json", settings=here).stdout)

        (code, out, err), seen = opened(task["id"], settings=here)

        assert (code, err) == (0, "")
        assert out.splitlines() == seen == task["result_urls"]

    def test_a_folder_has_its_page_opened_and_without_an_argument_the_servers(
        self, apimodels: Any, here: Any, opened: Any
    ) -> None:
        (apimodels.folder / "out").mkdir()
        opened("out")
        (apimodels.folder / "out" / "index.html").touch()
        opened("out")
        opened()
        _, seen = opened(settings=here)

        folder = (apimodels.folder / "out").as_uri()
        assert seen == [
            folder,
            f"{folder}/index.html",
            "https://apimodels.app/console/records",
            here["APIMODELS_BASE_URL"].removesuffix("api/v1"),
        ]

    def test_only_web_links_are_handed_to_the_desktop(self, server: Any, opened: Any) -> None:
        data = {"taskId": "made", "state": "completed", "resultUrls": ["file:///etc/passwd"]}

        (code, out, err), seen = opened("made", settings=server.says(json.dumps({"code": 200, "data": data})))

        assert (code, out, seen) == (2, "", [])
        assert "has no link that can be opened" in err


class TestCompletion:
    """The scripts of the shells, and what they ask the command."""

    @pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
    def test_each_shell_has_its_script(self, apimodels: Any, shell: str) -> None:
        done = apimodels("completion", shell)

        assert (done.returncode, done.stderr) == (0, "")
        assert f"_APIMODELS_COMPLETE=complete_{shell}" in done.stdout

    def environment(self, apimodels: Any) -> dict[str, str]:
        """In which the command is found by its name."""
        (apimodels.folder / "apimodels").write_text(f'#!/bin/sh\nexec {sys.executable} -m apimodels_async "$@"\n')
        (apimodels.folder / "apimodels").chmod(0o755)
        environment: dict[str, str] = apimodels.environment(None)
        return environment | {"PATH": f"{apimodels.folder}:{environment['PATH']}"}

    @pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
    def test_fish_completes_commands_and_options(self, apimodels: Any) -> None:
        (apimodels.folder / "script").write_text(apimodels("completion", "fish").stdout)
        command = "source script; complete -C 'apimodels bal'; complete -C 'apimodels generate --see'"

        done = subprocess.run(
            ["fish", "--no-config", "-c", command],
            cwd=apimodels.folder, env=self.environment(apimodels), capture_output=True, text=True, check=False,
        )  # fmt: skip

        assert done.stderr == ""
        assert [line.split("\t")[0] for line in done.stdout.splitlines()] == ["balance", "--seed"]

    @pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
    def test_zsh_completes_on_the_first_tab(self, apimodels: Any) -> None:
        (apimodels.folder / "_apimodels").write_text(apimodels("completion", "zsh").stdout)
        (apimodels.folder / "script").write_text(ZSH)

        done = subprocess.run(
            ["zsh", "-f", "script"], cwd=apimodels.folder, env=self.environment(apimodels), timeout=PATIENCE,
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip

        assert (done.returncode, done.stderr) == (0, ""), done.stdout

    def test_bash_completes_commands_options_and_models(self, apimodels: Any) -> None:
        script = apimodels("completion", "bash").stdout
        environment = self.environment(apimodels)
        (apimodels.folder / "script").write_text(
            script + "\n"
            'try() { COMP_WORDS=(apimodels "$@"); COMP_CWORD=$#\n'
            '_apimodels_completion apimodels; echo "${COMPREPLY[*]}"; }\n'
            "try bal\ntry generate --see\ntry generate -m grok-image/grok-4\n"
        )

        done = subprocess.run(
            ["bash", "script"], cwd=apimodels.folder, env=environment, capture_output=True, text=True, check=False
        )

        assert done.stderr == ""
        assert done.stdout.splitlines()[:2] == ["balance", "--seed"]
        assert "grok-image/grok-4.2-image" in done.stdout.splitlines()[2].split()


def test_the_module_is_the_command(apimodels: Any) -> None:
    from apimodels_async import __version__

    done = subprocess.run(
        [sys.executable, "-m", "apimodels_async", "--version"],
        capture_output=True, text=True, check=True, env=apimodels.environment(None),
    )  # fmt: skip

    assert done.stdout == f"apimodels {__version__}\n"


def commands() -> dict[str, Any]:
    """Every command by its name, those of groups included."""
    found: dict[str, Any] = {}
    group: Any = typer.main.get_command(app)
    for name, command in group.commands.items():
        inner = getattr(command, "commands", None)
        found |= {name: command} if inner is None else {f"{name} {each}": it for each, it in inner.items()}
    return found


COMMANDS = commands()


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_its_lines_and_uses_no_words_of_the_program(apimodels: Any, name: str) -> None:
    done = apimodels(*name.split(), "--help", settings={"COLUMNS": "80"})

    assert (done.returncode, done.stderr) == (0, "")
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert done.stdout.splitlines()[0].startswith(f"Usage: apimodels {name} [OPTIONS]")
    assert not re.search(
        r"<\w+>|\bbool\b|\bNone\b|x>=|pydantic|\bintents?\b|GET /|POST /|\bcreates\b|_gateway\b|httpx|asyncio",
        done.stdout,
    )


def test_every_command_has_verbose_and_every_command_with_a_server_has_base_url() -> None:
    options = {name: {opt for each in command.params for opt in each.opts} for name, command in COMMANDS.items()}
    offline = {name for name in options if name.startswith("ledger ")} | {"gateway", "listen", "completion", "trigger"}

    assert {name for name, found in options.items() if "--verbose" not in found} == set()
    assert {name for name, found in options.items() if "--base-url" not in found} == offline
    assert {name for name, found in options.items() if "--extra" in found} == {"generate", "create", "batch"}
    assert all(
        each.is_flag or each.metavar
        for command in COMMANDS.values()
        for each in command.params
        if each.param_type_name == "option"
    )


def test_the_base_url_of_the_command_comes_before_that_of_the_environment(apimodels: Any, here: Any) -> None:
    elsewhere = {**here, "APIMODELS_BASE_URL": "http://127.0.0.1:9"}

    done = apimodels("models", "--base-url", here["APIMODELS_BASE_URL"], settings=elsewhere)
    wrong = apimodels("models", "--base-url", "nowhere", settings=here)

    assert done.returncode == 0, done.stderr
    assert wrong.returncode == 3
    assert wrong.stderr.startswith("apimodels: --base-url")


def test_verbose_says_what_is_done_and_json_says_it_in_objects(apimodels: Any, here: Any) -> None:
    command = ("generate", "a fox", "--size", "64x64", "--verbose")

    lines, objects = apimodels.all(command, (*command, "--json"), settings=here)
    quiet = apimodels(*command[:-1], settings=here)

    assert re.search(r"^apimodels: +\d+\.\d\d s  task \w+", lines.stderr, re.MULTILINE)
    assert "pictures saved: 1" in lines.stderr
    assert here["APIMODELS_API_KEY"] not in lines.stderr
    told = [json.loads(line) for line in objects.stderr.splitlines()]
    assert told
    assert all(set(each) == {"log", "seconds"} for each in told)
    assert quiet.stderr == ""

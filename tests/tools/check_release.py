"""Checks what would be uploaded: ``python tests/tools/check_release.py DIST_FOLDER``."""

import email
import re
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

HOME = Path(__file__).parents[2]
PACKAGE = "apimodels_async"
NEEDED = {
    f"{PACKAGE}/py.typed",
    f"{PACKAGE}/gateway/painter.toml",
    f"{PACKAGE}/gateway/app.py",
    f"{PACKAGE}/cli/app.py",
}
IN_THE_SDIST = {"pyproject.toml", "README.md", "LICENSE", "noxfile.py", "docs/changelog.md", "docs/demo/demo.py"}


def package_files() -> set[str]:
    """The package as it is in this folder."""
    found = (path for path in (HOME / PACKAGE).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(HOME).as_posix() for path in found}


def wheel_faults(wheel: Path, project: dict[str, object], version: str) -> Iterator[str]:
    """What is wrong with the wheel."""
    info = f"{PACKAGE}-{version}.dist-info"
    with zipfile.ZipFile(wheel) as opened:
        names = set(opened.namelist())
        metadata = email.message_from_bytes(opened.read(f"{info}/METADATA"))
        entry_points = opened.read(f"{info}/entry_points.txt").decode()
    inside = {name for name in names if not name.startswith(f"{info}/")}
    yield from (f"the wheel lacks {name}" for name in sorted((package_files() | NEEDED) - inside))
    yield from (f"the wheel should not contain {name}" for name in sorted(inside - package_files()))
    if f"{info}/licenses/LICENSE" not in names:
        yield "the wheel lacks the license"
    if "apimodels = apimodels_async.cli:main" not in entry_points:
        yield "the wheel installs no command `apimodels`"
    told = {"Name": project["name"], "Version": version, "Requires-Python": project["requires-python"]}
    yield from (f"{name} is {metadata[name]}, not {value}" for name, value in told.items() if metadata[name] != value)
    extras, declared = set(metadata.get_all("Provides-Extra", [])), project["optional-dependencies"]
    if not isinstance(declared, dict) or extras != set(declared):
        yield f"the extras are {sorted(extras)}"


def sdist_faults(sdist: Path) -> Iterator[str]:
    """What is wrong with the source distribution."""
    with tarfile.open(sdist) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    yield from (f"the sdist lacks {name}" for name in sorted((package_files() | IN_THE_SDIST) - names))
    if not any(name.startswith("tests/") for name in names):
        yield "the sdist lacks the tests"
    strange = re.compile(r"(^|/)(__pycache__|\.venv|\.nox|_build|pictures)/|\.(pyc|png)$")
    yield from (f"the sdist should not contain {name}" for name in sorted(names) if strange.search(name))


def faults(folder: Path) -> Iterator[str]:
    """What is wrong with the files in `folder`."""
    project = tomllib.loads((HOME / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = re.search(r'__version__ = "(.+)"', (HOME / PACKAGE / "_version.py").read_text(encoding="utf-8"))
    if found is None:
        yield "_version.py says no version"
        return
    version = found[1]
    wheel, sdist = folder / f"{PACKAGE}-{version}-py3-none-any.whl", folder / f"{PACKAGE}-{version}.tar.gz"
    there = {path.name for path in folder.iterdir()}
    if there != {wheel.name, sdist.name}:
        yield f"the folder holds {sorted(there)}, not {wheel.name} and {sdist.name}"
        return
    yield from wheel_faults(wheel, project, version)
    yield from sdist_faults(sdist)
    changelog = (HOME / "docs" / "changelog.md").read_text(encoding="utf-8")
    for heading in ("Unreleased", version):
        if not re.search(rf"^## {re.escape(heading)}\b", changelog, re.MULTILINE):
            yield f"the changelog has no section {heading}"


def main() -> int:
    """Print what is wrong."""
    wrong = list(faults(Path(sys.argv[1])))
    sys.stdout.writelines(f"{fault}\n" for fault in wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

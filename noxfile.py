"""What can be run here; `nox -l` lists it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.sessions = ["tests", "lowest", "lint", "typing", "docs"]
nox.options.reuse_existing_virtualenvs = True

PROJECT = nox.project.load_toml("pyproject.toml")
PACKAGE = ".[cli,gateway]"
TESTED = ".[cli,gateway,storage,postgres]"
CLUSTER = ".[cli,fast,gateway,storage,postgres,dask]"


def answers(python: str) -> bool:
    """A version manager's stub may be on the path and refuse to run."""
    try:
        return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


PYTHONS = [version for version in ("3.11", "3.12", "3.13") if answers(f"python{version}")]


def install(session: nox.Session, *what: str) -> None:
    """Of hundreds of packages few modules are imported: to compile all of them would take most of the time.

    For sessions that start a few processes, or that let these keep what they compile.
    """
    options = () if session.venv_backend == "uv" else ("--no-compile",)  # uv compiles nothing by itself
    session.install("--quiet", *options, *what)


def group(name: str) -> list[str]:
    return list(nox.project.dependency_groups(PROJECT, name))


def run_tests(session: nox.Session, *options: str) -> None:
    # Without this, Python would put this folder before the installed package.
    session.env["PYTHONSAFEPATH"] = "1"
    session.env["PYTHONDONTWRITEBYTECODE"] = None  # hundreds of processes of the tests would each compile their modules
    session.env["COVERAGE_FILE"] = str(Path(session.create_tmp()).resolve() / "coverage")
    # Two processes a core, because most tests wait for a socket, a child or a timer for much of their time.
    processes = str(2 * (os.cpu_count() or 1))
    session.run("pytest", *(session.posargs or ["-n", processes, "--dist=worksteal", *options]))


@nox.session(python=PYTHONS or None)
def tests(session: nox.Session) -> None:
    """The tests of the built package on every supported Python that is found.

    Coverage is measured on the first, which leaves out what coverage slows down without need; that, and what runs on
    trio, is for the last. Those between run what may depend on the version, on asyncio.
    """
    install(session, TESTED, *group("test"), *group("agents"))
    first, last = session.python in (None, *PYTHONS[:1]), session.python in (None, *PYTHONS[-1:])
    left_out = ["postgres", *([] if first else ["once"]), *([] if last else ["heavy", "trio"])]
    coverage = ["--cov", "--cov-report=term-missing:skip-covered"] if first else []
    run_tests(session, "-m", " and ".join(f"not {mark}" for mark in left_out), *coverage)


@nox.session(name="tests-postgres", python=PYTHONS[:1] or None)
def tests_postgres(session: nox.Session) -> None:
    """The tests that need PostgreSQL and PgBouncer, from the distribution's packages; each starts its own server."""
    install(session, TESTED, *group("test"))
    session.env["REQUIRE_POSTGRES"] = "1"
    shared = [f"tests/cli/test_{name}.py" for name in ("ledger_common", "shared_batch")]
    places = "tests/callbacks", "tests/ledger", "tests/shards", *shared
    run_tests(
        session, *places, "-m", "postgres and not dask", "--cov", "--cov-config=tests/support/postgres.coveragerc"
    )


@nox.session
def model(session: nox.Session) -> None:
    """The algorithm of the PostgreSQL ledger, checked exhaustively with Spin from the distribution's packages."""
    session.run("python", "tests/proofs/model", *session.posargs)


@nox.session(python=PYTHONS[:1] or None)
def lowest(session: nox.Session) -> None:
    """The tests with the lowest versions that pyproject.toml declares."""
    session.install("uv")
    python = str(next(Path(session.bin).glob("python*")))
    # Together, because the newest FastAPI would bring a newer Starlette.
    lowest = [TESTED, *(each for each in group("test") if each.startswith("fastapi"))]
    session.run("uv", "pip", "install", "--quiet", "--python", python, "--resolution=lowest-direct", *lowest)
    session.run("uv", "pip", "install", "--quiet", "--python", python, *group("test"))
    session.run("uv", "pip", "list", "--quiet", "--python", python)
    run_tests(session, "-m", "not once and not heavy and not postgres")
    if not session.posargs:  # the command line alone uses typer and rich
        run_tests(session, "tests/cli", "-m", "not postgres")


@nox.session(name="tests-web")
def tests_web(session: nox.Session) -> None:
    """Both pages in the Chromium of the distribution (apt-get install chromium), sizes and colours, by axe too."""
    install(session, PACKAGE, *group("test"), *group("web"))
    session.env["PYTHONSAFEPATH"] = "1"
    session.env["PYTHONDONTWRITEBYTECODE"] = None
    session.run("pytest", "-n0", *(session.posargs or ["tests/web"]))


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff: rules and format."""
    install(session, *group("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def typing(session: nox.Session) -> None:
    """Mypy and pyright, both strict, and the completeness of the public types."""
    install(session, CLUSTER, *group("typing"))
    session.run("mypy", "apimodels_async", "tests", "docs", "noxfile.py")
    session.run("pyright")
    session.run("pyright", "--verifytypes", "apimodels_async", "--ignoreexternal")


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation, every warning an error, into docs/_build."""
    install(session, CLUSTER, *group("docs"))
    session.run("sphinx-build", "-W", "--keep-going", "-n", "-q", "docs", "docs/_build/html")


@nox.session
def drawings(session: nox.Session) -> None:
    """What the README and the pages show: four pictures, the screen of a batch, both pages (needs Chromium)."""
    session.install("--quiet", PACKAGE, *group("web"))
    session.run("python", "tests/tools/draw_docs.py", *session.posargs)


@nox.session
def release(session: nox.Session) -> None:
    """Build what would be uploaded into `dist`, check it, and run the demo from the wheel in a clean environment."""
    session.install(*group("release"))
    dist = Path("dist")
    shutil.rmtree(dist, ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", str(dist))
    session.run("twine", "check", "--strict", *map(str, dist.iterdir()))
    session.run("python", "tests/tools/check_release.py", str(dist))

    clean = Path(session.create_tmp()).resolve() / "clean"
    session.run("python", "-m", "venv", "--clear", str(clean))
    python = str(clean / ("Scripts" if sys.platform == "win32" else "bin") / "python")
    [wheel] = dist.resolve().glob("*.whl")
    for extra in PROJECT["project"]["optional-dependencies"]:
        session.run(python, "-m", "pip", "install", "--quiet", "--dry-run", f"{wheel}[{extra}]", external=True)
    session.run(python, "-m", "pip", "install", "--quiet", f"{wheel}[cli,gateway]", external=True)
    session.run(python, "-I", "docs/demo/demo.py", "-o", str(clean / "pictures"), external=True)


@nox.session
def demo(session: nox.Session) -> None:
    """Pictures from the embedded gateway into the folder `pictures`: no key, no network, no bill."""
    install(session, PACKAGE)
    session.run("python", "docs/demo/demo.py", *session.posargs)


@nox.session
def peers(session: nox.Session) -> None:
    """How often other clients send a paid create whose answer never comes; ours beside them."""
    session.install("--quiet", PACKAGE)
    session.run("python", "tests/proofs/peers.py", *session.posargs)


@nox.session
def kills(session: nox.Session) -> None:
    """A thousand creates through a proxy that kills a fifth of the answers after the server acted."""
    session.install("--quiet", ".[fast,cli,gateway]", "trio")
    session.run("python", "tests/proofs/proxy_kills.py", *session.posargs)


@nox.session
def ledger(session: nox.Session) -> None:
    """The long proofs of the ledger: 1,000 kills, 500 power cuts, and mutants; `nox -s ledger -- kills` for one."""
    session.install("--quiet", TESTED, *group("test"))
    for name in session.posargs or ("kills", "power_cuts", "mutants"):
        session.run("python", f"tests/proofs/{name}.py")


@nox.session(name="tests-dask", python=PYTHONS[:1] or None)
def tests_dask(session: nox.Session) -> None:
    """The tests of Dask workers, and a few kills; needs PostgreSQL. Not a part of `tests`: it is large."""
    install(session, CLUSTER, *group("test"))
    session.env["REQUIRE_POSTGRES"] = "1"
    run_tests(session, "tests/dask", "-m", "dask")
    if not session.posargs:
        session.env.pop("PYTHONSAFEPATH", None)
        few = ("--kills", "4", "--requests", "100", "--every", "1")
        session.run("python", "-m", "tests.proofs.cluster", "--engine", "plain", *few)
        session.run("python", "-m", "tests.proofs.cluster", "--engine", "dask", *few)


@nox.session(name="cluster-demo")
def cluster_demo(session: nox.Session) -> None:
    """Three workers on one ledger, killed again and again, with a view of the shards; needs PostgreSQL."""
    session.install("--quiet", CLUSTER, "pytest>=8.3.4", "trio>=0.27")
    options = session.posargs or ["--kills", "8", "--every", "4", "--requests", "400"]
    session.run("python", "-m", "tests.proofs.cluster", "--demo", *options)


@nox.session
def cluster(session: nox.Session) -> None:
    """The long proof of ledgers that are shared: kills, crashes, freezes; `-- --kills 60` for a small one.

    Partitions are made in a network namespace, which needs root; they are left out for others.
    """
    session.install("--quiet", CLUSTER, "ray", "pytest>=8.3.4", "trio>=0.27")
    run = ("python", "-m", "tests.proofs.cluster")
    if session.posargs:
        session.run(*run, *session.posargs)
        return
    for engine in ("plain", "dask"):
        session.run(*run, "--engine", engine, "--kills", "500", "--requests", "20000", "--unknown", "2")
        session.run(
            *run, "--engine", engine, "--kills", "0", "--crashes", "25", "--freezes", "10", "--requests", "5000"
        )
        if os.getuid() == 0:
            session.run(*run, "--engine", engine, "--kills", "0", "--partitions", "15", "--requests", "3000")
    session.run(*run, "--kills", "20", "--freezes", "5", "--rate", "30", "--requests", "3000")
    session.run("python", "-m", "tests.proofs.cluster.ray_recipe")
    for engine in ("plain", "dask"):
        session.run(*run, "--engine", engine, "--kills", "15", "--every", "15", "--requests", "5000", "--watched", "10")


@nox.session(name="shared-kills")
def shared_kills(session: nox.Session) -> None:
    """200 kills of workers on one PostgreSQL ledger, 20 crashes of the database; `-- KILLS CRASHES` for others."""
    session.install("--quiet", ".[cli,gateway,postgres]", *group("test"))
    session.run("python", "tests/proofs/shared_kills.py", *session.posargs)


@nox.session
def disk(session: nox.Session) -> None:
    """A full disk at every write of the command line: no task id is lost; `nox -s disk -- --errors EIO` for a part."""
    session.install("--quiet", PACKAGE)
    session.run("python", "tests/proofs/disk_full.py", *session.posargs)


@nox.session
def files(session: nox.Session) -> None:
    """Picture files of all kinds in and out, byte for byte; `nox -s files -- FOLDER` adds those of a folder."""
    session.install("--quiet", PACKAGE, *group("files"))
    session.run("python", "tests/proofs/files", *session.posargs)


@nox.session
def hosts(session: nox.Session) -> None:
    """The client inside other people's programs, from gevent to Jupyter; `nox -s hosts -- celery` for one of them."""
    session.install("--quiet", ".[fast,cli,gateway]", *group("hosts"))
    session.run("python", "tests/proofs/hosts", *session.posargs)


@nox.session
def clients(session: nox.Session) -> None:
    """Clients that others wrote, installed and run against the gateway; `nox -s clients -- curl` for some of them.

    It needs node, npm, curl, wget and Chromium. `-- --write` writes their versions into the guide.
    """
    session.install("--quiet", PACKAGE, *group("clients"))
    folder = Path(session.create_tmp()).resolve() / "npm"
    folder.mkdir(exist_ok=True)
    packages = ("apimodels-mcp", "openai", "express", "ai", "@ai-sdk/openai-compatible")
    latest = [f"{name}@latest" for name in packages]
    session.run(
        "npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", str(folder), *latest, external=True
    )
    session.run("python", "tests/clients", str(folder), *session.posargs)


@nox.session
def callbacks(session: nox.Session) -> None:
    """10,000 callbacks, most of them abuse, and 500 creates that lose a fifth of their answers; or one of the two."""
    session.install("--quiet", TESTED, *group("test"))
    for name in session.posargs or ("callback_abuse", "lost_answers"):
        session.run("python", f"tests/proofs/{name}.py")


@nox.session
def hostile(session: nox.Session) -> None:
    """Hostile servers before the client, hostile clients before the gateway; `-- --only json` for a row."""
    session.install("--quiet", ".[fast,cli,gateway,postgres,dask]", *group("test"))
    session.run("python", "-m", "tests.proofs.hostile", *session.posargs)


@nox.session
def network(session: nox.Session) -> None:
    """Real network parts before a server that counts, in namespaces; needs root; `-- outage_1s --lane fast` for one."""
    session.install("--quiet", ".[fast,gateway]", "httpx[http2]", "trio>=0.27")
    session.run("python", "tests/proofs/network", *session.posargs)


@nox.session(python=PYTHONS or None)
def mirror(session: nox.Session) -> None:
    """The mirror where legacy code runs, a hundred times each case, on every Python that is found."""
    session.install("--quiet", TESTED, *group("test"))
    session.run("python", "tests/proofs/mirror.py", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Measurements beside others, in one table, into docs/benchmarks.md; `nox -s bench -- imports` for a part of it.

    The part `growth` needs PostgreSQL from the distribution's packages.
    """
    session.install("--quiet", ".[fast,cli,gateway,postgres]", *group("bench"), *group("test"))
    session.run("python", "tests/bench", *session.posargs)

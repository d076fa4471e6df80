"""The rules of the house hold: who imports whom, what ships, what may not stand in a file."""

import importlib.metadata
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

import netcheck

ROOT = Path(__file__).parents[1]
PACKAGES = ("netcheck", "probes", "kb_articles")
CONTRACTS = [
    contract["id"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
]

# For each contract, imports that it must refuse: the importing module and the imported one.
FAULTS = [
    ("layers", "netcheck.check", "netcheck.cli"),
    ("layers", "netcheck.measure.planted", "netcheck.check"),
    ("layers", "netcheck.diagnosis", "netcheck.measure"),
    ("layers", "netcheck.report", "netcheck.gui"),
    ("layers", "netcheck.server", "netcheck.plan"),
    ("layers", "probes", "netcheck.kb"),
    ("probes-stand-alone", "probes.reach.planted", "netcheck"),
    ("probes-stand-alone", "probes.planted", "kb_articles"),
    ("wire-is-pure", "probes.wire.planted", "asyncio"),
    ("wire-is-pure", "probes.wire.planted", "random"),
    ("wire-is-pure", "probes.wire.planted", "secrets"),
    ("wire-is-pure", "probes.wire.planted", "socket"),
    ("wire-is-pure", "probes.wire.planted", "ssl"),
    ("wire-is-pure", "probes.wire.planted", "time"),
    ("wire-is-pure", "probes.editors.planted", "asyncio"),
    ("wire-is-pure", "probes.editors.planted", "random"),
    ("wire-is-pure", "probes.editors.planted", "secrets"),
    ("wire-is-pure", "probes.editors.planted", "socket"),
    ("wire-is-pure", "probes.editors.planted", "ssl"),
    ("wire-is-pure", "probes.editors.planted", "time"),
    ("wire-knows-no-speaker", "probes.wire.planted", "probes.editors.contract"),
    ("wire-knows-no-speaker", "probes.wire.dce.planted", "probes.editors.rpc"),
    ("protocols-are-independent", "probes.editors.planted", "probes.editors.ftp"),
    ("protocols-are-independent", "probes.editors.sip.planted", "probes.editors.other"),
    ("protocols-are-independent", "probes.editors.contract", "probes.editors.other"),
    ("server-speaks-wire", "netcheck.server.planted", "probes.reach"),
    ("server-speaks-wire", "netcheck.server.planted", "probes.session"),
    ("qt-stays-in-gui", "netcheck.cli.planted", "PySide6.QtCore"),
    ("qt-stays-in-gui", "probes.planted", "PySide6.QtCore"),
    ("qt-stays-in-gui", "netcheck.report.planted", "PySide6.QtGui"),
    ("qt-stays-in-gui", "netcheck.drawing.planted", "PySide6.QtSvg"),
    ("qt-stays-in-gui", "netcheck.check", "PySide6.QtCore"),
    ("qt-stays-in-gui", "netcheck.history", "PySide6.QtCore"),
    ("layers", "netcheck.again", "netcheck.gui"),
    ("layers", "netcheck.drawing.planted", "netcheck.history"),
    ("probes-are-independent", "probes.reach.planted", "probes.reach.other"),
    ("probes-are-independent", "probes.reach.planted", "probes.local.other"),
    ("probes-are-independent", "probes.nat.planted", "probes.nat.other"),
    ("probes-are-independent", "probes.media.planted", "probes.nat.other"),
    ("probes-are-independent", "probes.calling.planted", "probes.media.other"),
    ("probes-are-independent", "probes.reach.planted", "probes.calling.other"),
    ("layers", "netcheck.redacting", "netcheck.cli"),
    ("layers", "netcheck.redacting", "netcheck.gui"),
    ("layers", "netcheck.report.planted", "netcheck.redacting"),
    ("layers", "netcheck.check", "netcheck.prepared"),
    ("gui-knows-no-command", "netcheck.gui.planted", "netcheck.cli.report"),
    ("gui-knows-no-command", "netcheck.gui.pages.planted", "netcheck.cli"),
    ("one-command-opens-the-window", "netcheck.cli.planted", "netcheck.gui.app"),
    ("one-command-opens-the-window", "netcheck.cli.main", "netcheck.gui"),
]

# Imports that look like faults and are none.
ALLOWED = [
    ("layers", "netcheck.cli.planted", "netcheck.check"),
    ("server-speaks-wire", "netcheck.server.planted", "probes.wire.stun"),
    ("server-speaks-wire", "netcheck.server.planted", "probes.editors.contract"),
    ("wire-knows-no-speaker", "probes.editors.planted", "probes.wire.ber"),
    ("protocols-are-independent", "probes.editors.planted", "probes.editors.contract"),
    ("protocols-are-independent", "probes.editors.sip.planted", "probes.editors.contract"),
    ("qt-stays-in-gui", "netcheck.gui.planted", "PySide6.QtCore"),
    ("qt-stays-in-gui", "netcheck.gui.pages.planted", "PySide6.QtWidgets"),
    ("qt-stays-in-gui", "netcheck.report.paper.planted", "PySide6.QtGui"),
    ("probes-are-independent", "probes.reach.planted", "probes.session"),
    ("probes-are-independent", "probes.calling.planted", "probes.calling.other"),
    ("gui-knows-no-command", "netcheck.gui.planted", "netcheck.redacting"),
    ("one-command-opens-the-window", "netcheck.cli.gui", "netcheck.gui.planted"),
]

# Put together from pieces, or this file would be found by its own search.
REGISTRIES = ("py" + "pi.org", "python" + "hosted", "deb." + "debian.org", "registry." + "npmjs")
MACHINE_PATHS = ("/wo" + "rk/", "/fa" + "rm/", "/root/" + ".pyenv")
FORBIDDEN_TEXT = re.compile("|".join(map(re.escape, REGISTRIES + MACHINE_PATHS)))

MADE = {"__pycache__", "build", "dist"}
NAMES_THAT_SAY_NOTHING = {"common", "helpers", "misc", "util", "utils"}
MOST_LINES = 500


def lint_imports(directory: Path, *options: str) -> tuple[bool, str]:
    """Check the contracts of the tree in `directory`; return whether they hold, and the output."""
    # A process of its own: this one has imported the packages from their real place.
    program = "from importlinter.cli import lint_imports_command as run; run()"
    command = [sys.executable, "-c", program, "--no-cache", "--no-logo", *options]
    run = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    return run.returncode == 0, run.stdout + run.stderr


def file_of(tree: Path, module: str) -> Path:
    """Return the file that holds `module`, made empty, with its packages, where there is none."""
    path = tree.joinpath(*module.split("."))
    if path.is_dir():
        return path / "__init__.py"
    for package in path.relative_to(tree).parents:
        if package != Path():
            (tree / package).mkdir(exist_ok=True, parents=True)
            (tree / package / "__init__.py").touch()
    file = path.with_suffix(".py")
    file.touch()
    return file


def plant(tree: Path, imports: Iterable[tuple[str, str]]) -> None:
    """Copy the source into `tree` and add imports to it."""
    for package in PACKAGES:
        for source in (ROOT / package).rglob("*.py"):
            copy = tree / source.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(source.read_bytes())
    (tree / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    for importer, imported in imports:
        if imported.split(".")[0] in PACKAGES:
            file_of(tree, imported)
        with file_of(tree, importer).open("a") as file:
            file.write(f"\nimport {imported}\n")


def by_contract(planted: list[tuple[str, str, str]]) -> dict[str, list[tuple[str, str]]]:
    """The imports of each contract: one tree holds them all, as each tree takes its time."""
    found: dict[str, list[tuple[str, str]]] = {}
    for contract, importer, imported in planted:
        found.setdefault(contract, []).append((importer, imported))
    return found


def source_files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def files_of_the_repository() -> Iterator[Path]:
    """Yield every file but those in hidden folders and those that tools make."""
    for entry in ROOT.iterdir():
        if entry.is_file():
            yield entry
        elif entry.name == ".ci" or not (entry.name.startswith(".") or entry.name in MADE):
            yield from (
                file
                for file in entry.rglob("*")
                if file.is_file() and MADE.isdisjoint(file.relative_to(ROOT).parts)
            )


def test_imports_keep_to_the_contracts() -> None:
    kept, output = lint_imports(ROOT)
    assert kept, output


def test_every_contract_has_a_planted_fault() -> None:
    assert {contract for contract, _, _ in FAULTS} == set(CONTRACTS)


@pytest.mark.parametrize("contract", by_contract(FAULTS))
def test_a_contract_refuses(tmp_path: Path, contract: str) -> None:
    faults = by_contract(FAULTS)[contract]
    plant(tmp_path, faults)
    kept, output = lint_imports(tmp_path, "--contract", contract)
    assert not kept
    lines = {f"{importer} -> {imported.partition('.Qt')[0]}" for importer, imported in faults}
    assert {
        line for line in lines if not re.search(rf"{re.escape(line)}(?![.\w])", output)
    } == set()


@pytest.mark.parametrize("contract", by_contract(ALLOWED))
def test_a_contract_allows(tmp_path: Path, contract: str) -> None:
    plant(tmp_path, by_contract(ALLOWED)[contract])
    kept, output = lint_imports(tmp_path, "--contract", contract)
    assert kept, output


def test_version_stands_in_one_place() -> None:
    assert importlib.metadata.version("netcheck") == netcheck.__version__


def test_wheel_holds_code_and_data(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    (wheel,) = tmp_path.iterdir()
    with zipfile.ZipFile(wheel) as archive:
        shipped = set(archive.namelist())
    wanted = {
        file.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for pattern in ("*.py", "*.toml", "*.md", "py.typed")
        for file in (ROOT / package).rglob(pattern)
    }
    assert {f"{package}/py.typed" for package in PACKAGES} <= wanted
    assert wanted <= shipped


def test_no_file_names_a_registry_or_this_machine() -> None:
    found = [
        f"{file.relative_to(ROOT)}: {match[0]}"
        for file in files_of_the_repository()
        for match in FORBIDDEN_TEXT.finditer(file.read_text(errors="replace"))
    ]
    assert found == []


def test_locks_pin_every_requirement_with_a_hash() -> None:
    pinned: dict[str, set[str]] = {}
    for name in ("run", "dev"):
        text = (ROOT / "requirements" / f"{name}.lock").read_text().replace("\\\n", " ")
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        assert all(re.match(r"[a-z0-9-]+==\S+ .*--hash=sha256:", line) for line in lines)
        pinned[name] = {line.split()[0] for line in lines}
    assert pinned["run"] < pinned["dev"]


def test_module_names_say_what_is_inside() -> None:
    files = source_files(*PACKAGES, "tests")
    nameless = [f for f in files if NAMES_THAT_SAY_NOTHING & {f.stem, *f.relative_to(ROOT).parts}]
    assert nameless == []


def test_files_stay_small() -> None:
    lengths = {f: len(f.read_text().splitlines()) for f in source_files("netcheck", "probes")}
    assert {f: n for f, n in lengths.items() if n > MOST_LINES} == {}

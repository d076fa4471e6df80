import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from netcheck.report.read import ReportError
from netcheck.report.save import save
from tests import powers

unix = pytest.mark.skipif(sys.platform == "win32", reason="permissions and devices of Unix")


def _only(folder: Path, *names: str) -> bool:
    return sorted(entry.name for entry in folder.iterdir()) == sorted(names)


def test_the_text_is_written_as_utf8(tmp_path: Path) -> None:
    save(tmp_path / "r.txt", "✓ works\n")
    assert (tmp_path / "r.txt").read_bytes() == "✓ works\n".encode()
    assert _only(tmp_path, "r.txt")


def test_an_older_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "r.txt"
    path.write_text("old " * 1000)
    save(path, "new")
    assert path.read_text() == "new"
    assert _only(tmp_path, "r.txt")


@unix
def test_the_mode_is_that_of_the_older_file_or_follows_the_umask(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.touch()
    kept.chmod(0o604)
    save(kept, "text")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o604
    (tmp_path / "touched").touch()
    save(tmp_path / "fresh", "text")
    assert (tmp_path / "fresh").stat().st_mode == (tmp_path / "touched").stat().st_mode


@unix
def test_a_symbolic_link_keeps_pointing_at_its_file(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    save(tmp_path / "link", "text")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "text"


@unix
def test_a_device_is_written_to_and_stays_a_device() -> None:
    save(Path(os.devnull), "text")
    assert Path(os.devnull).is_char_device()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "none" / "r.txt"
    with pytest.raises(ReportError) as caught:
        save(path, "text")
    assert str(caught.value) == (
        f"{path} cannot be written: there is no folder {path.parent};"
        " make it, or choose another folder."
    )


def test_a_folder_instead_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="it is a folder"):
        save(tmp_path, "text")


def test_a_file_instead_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ReportError, match="is not a folder"):
        save(tmp_path / "file" / "r.txt", "text")


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="choose a shorter one"):
        save(tmp_path / ("r" * 1000), "text")


def test_a_name_that_no_file_can_have() -> None:
    with pytest.raises(ReportError, match="is not a file name"):
        save(Path("a\0b"), "text")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_that_is_a_device() -> None:
    with pytest.raises(ReportError, match="disk is full; free some space"):
        save(Path("/dev/full"), "text")


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files")
def test_a_disk_that_fills_up_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    """The limit on file sizes makes a write fail half way, as a full disk does."""
    if sys.platform == "linux":
        import resource
        import signal

        path = tmp_path / "r.txt"
        path.write_text("old")
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
        try:
            with pytest.raises(ReportError, match="cannot be written"):
                save(path, "new" * 10_000)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            signal.signal(signal.SIGXFSZ, handler)
        assert path.read_text() == "old"
        assert _only(tmp_path, "r.txt")


def test_an_interruption_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r.txt"
    path.write_text("old")

    def interrupted(number: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save(path, "new")
    assert path.read_text() == "old"
    assert _only(tmp_path, "r.txt")


def _saved_by_another(path: Path) -> str:
    """What `save` says in a process that modes of files hold for."""
    done = subprocess.run(
        [sys.executable, "-c", _SAVE, path],
        capture_output=True,
        text=True,
        timeout=20,
        preexec_fn=powers.give_up,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


_SAVE = """
import sys
from pathlib import Path
from netcheck.report.read import ReportError
from netcheck.report.save import save
try:
    save(Path(sys.argv[1]), "text")
except ReportError as error:
    print(error)
"""


@unix
def test_a_folder_that_may_not_be_written_to(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        assert "you may not write there" in _saved_by_another(tmp_path / "r.txt")
    finally:
        tmp_path.chmod(0o700)
    assert _only(tmp_path)


@unix
def test_a_file_that_may_not_be_written_to_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "r.txt"
    path.write_text("precious")
    path.chmod(0o400)
    assert "you may not write there" in _saved_by_another(path)
    assert path.read_text() == "precious"

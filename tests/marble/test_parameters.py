"""Files, environment and arguments: all of it, or nothing."""

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as run
from hypothesis import strategies as st

from marble.errors import ParametersInvalid
from marble.parameters import Files, program_of
from marble.protocol import Parameters


def lay_down(files: dict[str, bytes]) -> None:
    with Files(files) as transaction:
        transaction.lay_down()


def modes(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")}


def test_files_get_their_folders_and_only_this_user_may_read_them(tmp_path: Path) -> None:
    lay_down({f"{tmp_path}/a/b/key": b"1", f"{tmp_path}/plain": b""})
    assert modes(tmp_path) == {"a": 0o700, "a/b": 0o700, "a/b/key": 0o600, "plain": 0o600}
    assert (tmp_path / "a/b/key").read_bytes() == b"1"


def test_a_relative_path_starts_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lay_down({"conf/../key": b"1"})
    assert (tmp_path / "key").read_bytes() == b"1"


def test_an_existing_file_is_replaced_and_its_rights_become_narrow(tmp_path: Path) -> None:
    old = tmp_path / "key"
    old.write_bytes(b"a long old content")
    old.chmod(0o644)
    lay_down({str(old): b"new"})
    assert (old.read_bytes(), stat.S_IMODE(old.stat().st_mode)) == (b"new", 0o600)


def test_a_symbolic_link_is_refused_and_its_target_stays(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"old")
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(ParametersInvalid, match=r"link': expected a regular file .* got a symbolic link"):
        lay_down({f"{tmp_path}/first": b"1", f"{tmp_path}/link": b"secret"})
    assert target.read_bytes() == b"old"
    assert {"target", "link"} == {path.name for path in tmp_path.iterdir()}


def lay_over(files: dict[str, bytes]) -> None:
    with Files(files) as transaction:
        transaction.lay_over()


def test_beside_a_program_a_file_keeps_its_owner_and_rights(tmp_path: Path) -> None:
    old, new = tmp_path / "key", tmp_path / "new"
    old.write_bytes(b"old")
    old.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(old, 12345, 54321)
    owner = (old.stat().st_uid, old.stat().st_gid)
    lay_over({str(old): b"renewed", str(new): b"new"})
    assert (b"renewed", 0o640, owner) == (
        old.read_bytes(),
        stat.S_IMODE(old.stat().st_mode),
        (old.stat().st_uid, old.stat().st_gid),
    )
    assert 0o600 == stat.S_IMODE(new.stat().st_mode)


def test_beside_a_program_nothing_is_removed_that_it_has(tmp_path: Path) -> None:
    one, folder = tmp_path / "one", tmp_path / "folder"
    one.write_bytes(b"old")
    folder.mkdir()
    with pytest.raises(ParametersInvalid, match=r"folder': expected a regular file .* got a folder"):
        lay_over({str(one): b"renewed", str(folder): b"2"})
    assert b"old" == one.read_bytes()
    assert {"one", "folder"} == {path.name for path in tmp_path.iterdir()}


def test_beside_a_program_all_or_none_where_an_owner_cannot_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate without its key would serve nobody.  The system's refusal is all that is made up."""
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    certificate.write_bytes(b"old")
    key.write_bytes(b"old")
    key.chmod(0o604)
    system = os.chmod

    def refuse(path: Path, mode: int) -> None:
        if mode == 0o604:
            raise PermissionError(1, "Operation not permitted")
        system(path, mode)

    with monkeypatch.context() as patch:
        patch.setattr(os, "chmod", refuse)
        with pytest.raises(ParametersInvalid, match=r"tls\.key' cannot be written: Operation not permitted"):
            lay_over({str(certificate): b"new", str(key): b"new"})
    assert (b"old", b"old") == (certificate.read_bytes(), key.read_bytes())
    assert {"tls.crt", "tls.key"} == {path.name for path in tmp_path.iterdir()}
    lay_over({str(certificate): b"new", str(key): b"new"})
    assert (b"new", b"new") == (certificate.read_bytes(), key.read_bytes())


def test_nothing_stays_when_one_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"in the way")
    with pytest.raises(ParametersInvalid, match=r"file/below' cannot be written: Not a directory"):
        lay_down({f"{tmp_path}/made/one": b"1", f"{tmp_path}/two": b"2", f"{tmp_path}/file/below": b"3"})
    assert {"file"} == {path.name for path in tmp_path.iterdir()}


def test_nothing_stays_when_a_file_and_a_folder_want_one_name(tmp_path: Path) -> None:
    with pytest.raises(ParametersInvalid, match="cannot be written: Is a directory"):
        lay_down({f"{tmp_path}/a": b"1", f"{tmp_path}/a/b": b"2"})
    assert list(tmp_path.iterdir()) == []


def test_everything_is_taken_back_when_the_program_does_not_start(tmp_path: Path) -> None:
    def start() -> None:
        with Files({f"{tmp_path}/made/key": b"1"}) as files:
            files.lay_down()
            assert (tmp_path / "made/key").exists()
            raise FileNotFoundError("no such program")

    with pytest.raises(FileNotFoundError):
        start()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", ["", "a\0b", "folder/"])
def test_a_path_that_names_no_file_is_refused(path: str) -> None:
    with pytest.raises(ParametersInvalid, match="expected the path of a file"):
        lay_down({path: b""})


def test_two_paths_to_one_place_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ParametersInvalid, match="expected each file once"):
        lay_down({f"{tmp_path}/a": b"1", f"{tmp_path}/./a": b"2"})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ParametersInvalid, match="got a folder"):
        lay_down({f"{tmp_path}/folder": b""})


def test_the_command_runs_when_the_manifest_has_no_arguments() -> None:
    for argv in ((), ("./marble",)):
        assert program_of(Parameters(argv=argv), ["sh", "-c"], {}).argv == ("sh", "-c")


def test_the_manifests_arguments_win_over_the_command() -> None:
    assert program_of(Parameters(argv=("./marble", "x")), ["sh"], {}).argv == ("./marble", "x")


def test_the_manifests_variables_win_over_the_launchers() -> None:
    program = program_of(Parameters(env={"B": b"manifest"}), ["sh"], {"A": "host", "B": "host"})
    assert program.environ == {"A": "host", "B": "manifest"}


@given(st.binary(max_size=20).filter(lambda value: b"\0" not in value))
@run(max_examples=50)
def test_any_bytes_but_nul_reach_the_program(value: bytes) -> None:
    program = program_of(Parameters(env={"V": value}), ["sh"], {})
    assert value == program.environ["V"].encode(errors="surrogateescape")


@pytest.mark.parametrize("name", ["", "A=B", "A\0"])
def test_a_variable_without_a_legal_name_is_refused(name: str) -> None:
    with pytest.raises(ParametersInvalid, match="expected a name without"):
        program_of(Parameters(env={name: b""}), ["sh"], {})


def test_a_value_with_nul_is_refused_without_showing_it() -> None:
    with pytest.raises(ParametersInvalid, match="Env/KEY: expected a value without NUL") as refused:
        program_of(Parameters(env={"KEY": b"hush\0"}), ["sh"], {})
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize("argv", [("",), ("sh", "a\0b")])
def test_arguments_that_no_process_can_have_are_refused(argv: tuple[str, ...]) -> None:
    with pytest.raises(ParametersInvalid, match="Argv"):
        program_of(Parameters(argv=argv), ["sh"], {})

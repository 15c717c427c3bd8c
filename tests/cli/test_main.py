"""The command line as a whole: help, forms of output, errors, exit codes."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import coordinator
from coordinator.cli import exit_codes
from coordinator.cli.command import guarded
from coordinator.cli.main import enclasp as program
from coordinator.cli.output import write_file
from coordinator.cli.problems import Problem, as_text
from tests.cli.conftest import Enclasp

ROOT = Path(coordinator.__path__[0]).parent


def all_commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            below = command.get_command(click.Context(command), name)
            assert below is not None
            yield from all_commands(below, (*path, name))
    else:
        yield path, command


COMMANDS = dict(all_commands(program))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_two_examples(enclasp: Enclasp, path: tuple[str, ...]) -> None:
    ended = enclasp(*path, "--help")
    assert ended.code == 0
    examples = re.findall(rf"^\s+(?:\S+=\S+ |source <\()*enclasp {' '.join(path)}\b.*$", ended.text, re.MULTILINE)
    assert len(examples) >= 2, ended.text


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_example_names_options_that_exist(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    known = {name for parameter in command.params for name in parameter.opts}
    for line in (command.help or "").splitlines():
        if f"enclasp {' '.join(path)}" in line:
            ours = line.partition(" -- ")[0]
            assert set(re.findall(r"(?<=\s)--?[a-z][a-z0-9-]*", ours)) <= known, line


def test_the_parts_of_the_contract_are_there() -> None:
    names = {" ".join(path) for path in COMMANDS}
    assert {
        "demo",
        "coordinator run",
        "marble run",
        "manifest check",
        "manifest schema",
        "manifest init",
        "manifest set",
        "manifest get",
        "manifest verify",
        "evidence show",
        "evidence verify",
        "collateral show",
        "simulate vendor new",
        "simulate measure",
        "verify",
        "status",
        "certificate root",
        "certificate intermediate",
        "certificate chain",
        "explain",
        "doctor",
        "completion",
        "version",
    } <= names


def test_help_is_quick_and_imports_nothing_heavy() -> None:
    code = (
        "import resource, sys\n"
        "from coordinator.cli.main import run\n"
        "run(['--help'])\n"
        "used = resource.getrusage(resource.RUSAGE_SELF)\n"
        "print(used.ru_utime + used.ru_stime, file=sys.stderr)\n"
        "heavy = {'cryptography', 'aiohttp', 'jsonschema', 'rich', 'yaml', 'asyncio'} & set(sys.modules)\n"
        "sys.exit(f'heavy imports: {heavy}' if heavy else 0)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert float(ended.stderr) < 0.5, "0.1 s on a quiet machine"


def test_who_takes_o_for_a_file_is_told_the_right_option(enclasp: Enclasp) -> None:
    ended = enclasp("version", "-o", "coordinator.pem")
    assert ended.code == 2
    assert "-o chooses the format (table, json, yaml). To write a file use --out coordinator.pem" in ended.err


def test_the_form_of_the_output_may_come_from_the_environment(
    enclasp: Enclasp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENCLASP_OUTPUT", "json")
    assert "version" in enclasp("version").document


def test_yaml_is_the_same_document(enclasp: Enclasp) -> None:
    import yaml

    assert enclasp("explain", "V130", "-o", "json").document == yaml.safe_load(
        enclasp("explain", "V130", "-o", "yaml").out
    )


def test_out_writes_a_whole_file_and_leaves_stdout_empty(enclasp: Enclasp, tmp_path: Path) -> None:
    ended = enclasp("version", "--out", tmp_path / "version.txt")
    assert (0, b"") == (ended.code, ended.out)
    assert (tmp_path / "version.txt").read_text().startswith("enclasp ")
    assert [path.name for path in tmp_path.iterdir()] == ["version.txt"]


def test_a_file_that_cannot_be_written_is_named(enclasp: Enclasp, tmp_path: Path) -> None:
    ended = enclasp("version", "--out", tmp_path / "absent" / "version.txt")
    assert ended.code == 3
    assert f"error[U501]: {tmp_path}/absent/version.txt: No such file or directory" in ended.err


def test_a_private_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    write_file(tmp_path / "secret", b"x", mode=0o600)
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_an_unknown_command_is_a_usage_error_with_a_guess(enclasp: Enclasp) -> None:
    ended = enclasp("verfy")
    assert ended.code == 2
    assert "no such command 'verfy'; did you mean 'enclasp verify'?" in ended.err


def test_a_mistake_of_ours_asks_for_a_report_and_shows_no_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong() -> int:
        raise KeyError("what nobody expected")

    monkeypatch.delenv("ENCLASP_DEBUG", raising=False)
    assert guarded(wrong, machine=False) == exit_codes.BUG
    text = capsys.readouterr().err
    assert "error: unexpected KeyError" in text
    assert "please report it" in text
    assert "Traceback" not in text

    monkeypatch.setenv("ENCLASP_DEBUG", "1")
    with pytest.raises(KeyError):
        guarded(wrong, machine=False)


def test_an_interrupt_is_exit_code_130(enclasp: Enclasp, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("coordinator.cli.output.Output.result", interrupt)
    ended = enclasp("version")
    assert ended.code == 130
    assert "interrupted" in ended.err


def test_a_reader_that_has_enough_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    ended = subprocess.run(
        [sys.executable, "-m", "coordinator", "explain", "--all"],
        cwd=ROOT,
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(write)
    assert (0, "") == (ended.returncode, ended.stderr)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_of_the_shell(enclasp: Enclasp, shell: str) -> None:
    ended = enclasp("completion", shell)
    assert ended.code == 0
    assert "_ENCLASP_COMPLETE" in ended.text


@pytest.mark.parametrize(("detail", "times"), [("  hint: ask Alice", 1), ("  hint: look at the log", 2)])
def test_a_hint_that_the_coordinator_gave_already_is_not_said_again(detail: str, times: int) -> None:
    text = as_text(Problem("no", exit_codes.NOT_AUTHORISED, "U520", "ask Alice", detail=detail))
    assert (times, 1) == (text.count("hint: "), text.count("hint: ask Alice"))


def test_the_bash_completion_knows_the_commands() -> None:
    environ = {**os.environ, "_ENCLASP_COMPLETE": "bash_complete", "COMP_WORDS": "enclasp man", "COMP_CWORD": "1"}
    ended = subprocess.run(
        [sys.executable, "-m", "coordinator"], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )
    assert "plain,manifest" in ended.stdout.split()


def test_doctor_says_what_this_machine_has(enclasp: Enclasp, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ENCLASP_SIMULATION", raising=False)
    monkeypatch.delenv("ENCLASP_COLLATERAL", raising=False)
    groups = {symptom["group"] for symptom in enclasp("doctor", "-o", "json").document}
    assert {"python", "hardware", "simulation"} <= groups

    monkeypatch.setenv("ENCLASP_SIMULATION", str(tmp_path))
    ended = enclasp("doctor", "--strict")
    assert ended.code == 9
    assert "holds no simulated vendor" in ended.text


def test_a_simulated_vendor_is_made_and_its_collateral_shown(enclasp: Enclasp, tmp_path: Path) -> None:
    made = enclasp("simulate", "vendor", "new", tmp_path / "vendor")
    assert made.code == 0
    assert "SIMULATED" in made.text
    entries = enclasp("collateral", "show", tmp_path / "vendor" / "collateral.json", "-o", "json").document
    assert {"sgx", "tdx", "sev-snp"} == {entry["kind"] for entry in entries}
    assert all(entry["current"] for entry in entries)
    assert (
        "EXPIRED"
        in enclasp("collateral", "show", tmp_path / "vendor" / "collateral.json", "--at", "2999-01-01T00:00:00Z").text
    )


def test_measure_changes_with_the_program(enclasp: Enclasp, tmp_path: Path) -> None:
    file = tmp_path / "program.py"
    file.write_text("print(1)\n")
    first = enclasp("simulate", "measure", "-o", "json", "--", "python", file).document
    again = enclasp("simulate", "measure", "-o", "json", "--", "python3.11", file).document
    file.write_text("print(2)\n")
    changed = enclasp("simulate", "measure", "-o", "json", "--", "python", file).document

    assert first == again
    assert first["TDX"]["MRTD"] != changed["TDX"]["MRTD"]
    assert first["SGX"]["MRENCLAVE"] != changed["SGX"]["MRENCLAVE"]
    assert len(first["TDX"]["MRTD"]) == 96


@pytest.mark.parametrize("path", [(), ("manifest",), ("evidence",)], ids=" ".join)
def test_a_group_without_a_command_shows_its_help_and_is_a_usage_error(enclasp: Enclasp, path: tuple[str, ...]) -> None:
    ended = enclasp(*path)
    assert ended.code == exit_codes.USAGE
    assert ended.out == b""
    assert ended.err.startswith("Usage: enclasp")
    assert ended.err.count("Usage:") == 1
    assert "Commands:" in ended.err


@pytest.mark.parametrize("flag", ["-V", "--version"])
def test_the_version_is_where_people_look_for_it(enclasp: Enclasp, flag: str) -> None:
    assert enclasp("version").text == enclasp(flag).text


@pytest.mark.parametrize("path", [(), ("manifest",), ("simulate", "vendor"), ("recovery",)], ids=" ".join)
def test_the_list_of_commands_cuts_no_sentence(enclasp: Enclasp, path: tuple[str, ...]) -> None:
    assert "..." not in enclasp(*path, "--help").text.partition("Commands:")[2]


@pytest.mark.parametrize("arguments", [("--help",), ("explain", "--all"), ("version", "-o", "json")], ids=" ".join)
@pytest.mark.parametrize(("where", "code", "said"), [("/dev/full", 3, "stdout: No space left"), ("&-", 0, "")])
def test_a_stdout_that_takes_nothing_is_no_bug(arguments: tuple[str, ...], where: str, code: int, said: str) -> None:
    command = f'exec "$@" >{where}'
    program = (sys.executable, "-m", "coordinator", *arguments)
    ended = subprocess.run(
        ["sh", "-c", command, "sh", *program], cwd=ROOT, stderr=subprocess.PIPE, text=True, check=False
    )
    assert code == ended.returncode, ended.stderr
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
    assert bool(said) == bool(ended.stderr)


@pytest.mark.parametrize(
    "line",
    [
        "simulate vendor issue --platform tdx vendors folder --fault debug -- python server.py",
        "simulate measure python -- server.py",
        "marble run -- --type web",
        "manifest measure -- --sigstruct enclave.sig",
    ],
)
def test_an_option_of_ours_is_not_taken_for_a_part_of_the_program(enclasp: Enclasp, line: str, tmp_path: Path) -> None:
    ended = enclasp(*line.split())
    if "python --" in line:
        assert "nothing to measure" in ended.err  # that is the program's own affair
    else:
        assert (2, True) == (ended.code, "options of ours stand before the arguments" in ended.err)

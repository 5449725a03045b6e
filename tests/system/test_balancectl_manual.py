"""What balancectl says of itself: the manual page and the completion have all that --help has, and are what man and
bash take."""

import re
import shlex
import subprocess

import pytest

import harness
from test_balancectl import PROGRAM


def said(*arguments):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=harness.PATIENCE_S, check=True,
                          env=harness.clean_environment()).stdout


def commands():
    words = re.search(r"case \$command in\n    ''\) words='(.*?)'", said("completion"))[1].split()
    return [word for word in words if not word.startswith("-")]


def flags(command):
    return set(re.findall(r"(?<!\S)--[\w-]+", said(command, "--help"))) - {"--help", "--usage", "--version"}


def completed(line):
    """What bash offers at the end of a line."""
    words = shlex.split(line) + ([""] if line.endswith(" ") else [])
    script = (f"{said('completion')}\nCOMP_WORDS=({' '.join(map(shlex.quote, words))}); COMP_CWORD={len(words) - 1}\n"
              "_balancectl; printf '%s\\n' \"${COMPREPLY[@]}\"")
    done = subprocess.run(["bash", "-uc", script], capture_output=True, text=True, check=True)
    assert not done.stderr
    return done.stdout.split()


def test_every_command_is_in_the_help():
    known = commands()
    assert {"list", "net", "burn-down", "accounts", "set-order", "put-product", "completion", "manual"} <= set(known)
    text = said("--help")
    assert [c for c in known if not re.search(rf"(?<![\w-]){c}(?![\w-])", text)] == []


@pytest.mark.parametrize("command", [c for c in commands() if c not in ("completion", "manual")])
def test_manual_and_completion_have_all_flags_of_the_help(command):
    page = said("manual").replace("\\-", "-").replace("\\e", "\\")
    section = page.partition(f".SS {command}\n")[2].partition("\n.SS ")[0]
    program = page.partition(".SH OPTIONS\n")[2]
    for flag in flags(command):
        assert re.search(rf"^\.B (-\w, )?{flag}(=|$)", section + program, re.MULTILINE), flag
    offered = {word.rstrip("=") for word in completed(f"balancectl {command} --")}
    assert offered == flags(command) | {"--help"}


def test_manual_is_roff_without_a_fault():
    done = subprocess.run(["groff", "-man", "-ww", "-z", "-Tutf8"], input=said("manual"), text=True,
                          capture_output=True, check=True)
    assert done.stderr == "" and done.stdout == ""


def test_completion_goes_on_where_the_line_ends():
    assert completed("balancectl gr") == ["grant-credit", "grant-commit"]
    assert completed("balancectl --addr") == ["--address="]
    assert completed("balancectl --output=json net --cu") == ["--customer="]
    assert completed("balancectl net --customer=x --mo") == ["--mode="]
    assert "list" in completed("balancectl ")

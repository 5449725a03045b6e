"""Runs every command of the documents, as a reader would, and compares what it prints.

In a block marked console, a line after "$ " is a command and goes on in lines after "> "; what follows is its
output, standard error included. Tokens differ from run to run and are not compared. What shows "about 10 ms" after a
write past the service is looked at again where it does not show at once. Commands of other blocks
are named below, with the test that runs them.
"""

import os
import re
import subprocess
from pathlib import Path

import harness
import pytest

ROOT = Path(__file__).parents[2]
TOKEN = re.compile(r'("(?:consistencyToken|nextPage)": )"[^"]+"')
RUN_ELSEWHERE = {
    "./dev up": "test_dev.py",
    "./dev test": "this very run",
    "balanced migrate": "test_migrate.py",
    "balanced serve": "every test here",
    "balanced healthcheck": "test_harness.py",
    "balanced verify": "test_verify.py",
}


def blocks(text, kind):
    every = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [body for its_kind, body in every if its_kind == kind]


def commands(block):
    """The (command, expected output) pairs of a console block."""
    found = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append([line[2:], []])
        elif line.startswith("> "):
            found[-1][0] += "\n" + line[2:]
        else:
            found[-1][1].append(line)
    return [(command, "\n".join(output)) for command, output in found]


@pytest.fixture
def reader(server, database, redis, grpcurl, tmp_path):
    """A shell in which the README's programs and addresses are this test's."""
    psql = str(Path(harness.postgres_bin()) / "psql")
    subprocess.run([psql, "-qX", "-f", str(ROOT / "sql/demo.sql"), database], check=True)
    running = server(redis_url=redis.url)
    shim = tmp_path / "bin"
    shim.mkdir()
    for name, target in {"grpcurl": harness.tool("grpcurl"), "balancectl": harness.BUILD / "client/balancectl",
                         "balanced": harness.BUILD / "server/balanced"}.items():
        (shim / name).symlink_to(target)
    environment = dict(harness.clean_environment(LC_ALL="C.UTF-8", COLUMNS=None),
                       BALANCECTL_ADDRESS=running.address, DATABASE=database,
                       PATH=f"{shim}:{os.environ['PATH']}")

    def run(command):
        command = command.replace("127.0.0.1:50051", running.address)
        command = command.replace("./dev psql", f'{psql} -X -v SHOW_CONTEXT=never -d "$DATABASE"')
        done = subprocess.run(["bash", "-c", command], env=environment, cwd=ROOT, text=True, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.stdout.rstrip("\n")

    return run


def test_console_commands_print_what_the_readme_says(reader):
    ran = 0
    for block in blocks((ROOT / "README.md").read_text(), "console"):
        for command, expected in commands(block):
            said = reader(command)
            for _ in range(20):
                if said == expected or not command.startswith("balancectl"):
                    break
                said = reader(command)
            assert TOKEN.sub(r"\1…", said) == TOKEN.sub(r"\1…", expected), command
            ran += 1
    assert ran >= 8


@pytest.mark.parametrize("document", ["README.md", "server/README.md", "SECURITY.md"])
def test_other_commands_are_run_by_a_test(document):
    for block in blocks((ROOT / document).read_text(), ""):
        for line in block.splitlines():
            command = re.split(r"\s+#", line.strip())[0]
            assert not command or command in RUN_ELSEWHERE, f"{document}: nothing runs {command!r}"


def test_settings_are_those_of_the_program(server):
    said = harness.balanced("--help").stdout
    table = re.findall(r"^\| `BALANCED_(\w+)`, `(--[\w-]+)` \| `([^`]+)` \|", (ROOT / "README.md").read_text(),
                       re.MULTILINE)
    program = re.findall(r"^  (--[\w-]+) +BALANCED_(\w+).*\n +\(default (.+)\)$", said, re.MULTILINE)
    assert sorted((name, flag, initial) for flag, name, initial in program) == sorted(table)


def test_links_lead_somewhere():
    for document in ("README.md", "server/README.md", "SECURITY.md", "CHANGELOG.md"):
        text = (ROOT / document).read_text()
        for target in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (ROOT / document).parent.joinpath(target).exists(), f"{document}: {target}"

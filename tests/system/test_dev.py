"""./dev's handling of processes: what it starts it finds again and ends, and never a stranger.

Each test sources a copy of the script in a directory of its own, so that a running ./dev up is not
touched; processes are real.
"""

import os
import shutil
import signal
import subprocess

import pytest

import harness


@pytest.fixture
def dev(tmp_path):
    """Runs bash with dev's functions; returns the finished process, of which stdout was a file."""
    home = tmp_path / "a checkout"
    (home / ".dev/run").mkdir(parents=True)
    (home / ".dev/log").mkdir()
    if os.geteuid() == 0:
        os.chmod(tmp_path, 0o700)  # as /root is: the private servers must still find their files
    shutil.copy(harness.SOURCE / "dev", home)

    def run(script, **options):
        # Through files: what is spawned keeps them open, which a pipe would wait for.
        with open(tmp_path / "out", "w+", encoding="utf-8") as out, \
                open(tmp_path / "err", "w+", encoding="utf-8") as err:
            done = subprocess.run(["bash", "-c", f"source ./dev; {script}"], cwd=home, stdout=out, stderr=err,
                                  timeout=2 * harness.PATIENCE_S, check=False, **options)
        done.stdout, done.stderr = (tmp_path / "out").read_text(), (tmp_path / "err").read_text()
        return done

    run.home = home
    yield run
    for note in (home / ".dev/run").iterdir():
        run(f"halt {note.name} KILL")


def runs(pid):
    try:
        return harness.state_of(pid) != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_spawned_process_is_found_by_the_next_command_and_ended(dev):
    assert dev("spawn sleeper sleep 300").returncode == 0
    pid = int(dev("pid_of sleeper").stdout)
    assert runs(pid)
    assert dev("halt sleeper TERM").returncode == 0
    assert not runs(pid)
    assert not (dev.home / ".dev/run/sleeper").exists()


def test_halt_of_what_never_ran_is_no_error(dev):
    assert dev("halt nobody TERM; halt nobody TERM").returncode == 0


def test_stranger_with_the_noted_number_is_left_alone(dev):
    stranger = subprocess.Popen(["sleep", "300"])
    try:
        (dev.home / ".dev/run/server").write_text(f"{stranger.pid} 1\n")
        assert dev("pid_of server").returncode != 0
        assert dev("halt server KILL").returncode == 0
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_process_that_ends_at_once_is_reported_with_its_reason(dev):
    done = dev("spawn bad bash -c 'echo FATAL: no such thing; exit 3'; await bad false")
    assert done.returncode == 1
    assert done.stderr == "dev: bad ended at once: FATAL: no such thing (more in .dev/log/bad)\n"


def test_two_commands_at_once_are_refused(dev):
    holder = subprocess.Popen(["flock", dev.home / ".dev/lock", "sleep", "300"])
    try:
        harness.wait_until(lambda: harness.children_of(holder.pid), "flock to hold the lock")
        done = dev("command_down")
        assert done.returncode == 1
        assert done.stderr == "dev: another ./dev up or down is at work here\n"
    finally:
        for child in harness.children_of(holder.pid):
            os.kill(child, signal.SIGKILL)
        holder.wait()


def test_private_postgres_survives_crash_and_lost_notes_with_its_data(dev):
    start = f'start_postgres "{harness.postgres_bin()}"'
    query = f'"{harness.postgres_bin()}/psql" -qAtX "$(url_of balanced)" -c'
    try:
        done = dev(f"{start} && {query} 'CREATE TABLE kept AS SELECT 1 AS one'")
        assert done.returncode == 0, done.stderr
        first = int(dev("pid_of postgres").stdout)

        (dev.home / ".dev/run/postgres").unlink()
        assert dev(start).returncode == 0
        assert int(dev("pid_of postgres").stdout) == first

        os.kill(first, signal.SIGKILL)
        harness.wait_until(lambda: not runs(first), "the crash")
        done = dev(f"{start} && {query} 'SELECT one FROM kept'")
        assert done.stdout == "1\n", done.stderr
    finally:
        assert dev("command_down").returncode == 0
    assert not dev("in_use .dev/postgres/data").returncode == 0


def test_private_redis_answers_and_ends(dev):
    assert dev("start_redis").returncode == 0
    pid = int(dev("pid_of redis").stdout)
    assert dev("start_redis && pid_of redis").stdout == f"{pid}\n"
    assert dev('redis-cli -s "$sockets/redis.sock" ping').stdout == "PONG\n"
    assert dev("command_down").returncode == 0
    assert not runs(pid)

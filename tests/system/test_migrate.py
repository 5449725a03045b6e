"""`balanced migrate`: forward only, one at a time, and a clear refusal where the record does not fit."""

import contextlib
import re
import subprocess
import time

import psycopg2
import pytest

import harness

VERSIONS = sorted(int(p.name.split("_")[0]) for p in (harness.SOURCE / "sql/schema").glob("*.sql"))
NEWEST = VERSIONS[-1]


@pytest.fixture
def empty(postgres):
    return postgres.new_database()


def run(url, statement, *values):
    with contextlib.closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall() if cursor.description else None


def migrate(url, check=True):
    return harness.balanced("migrate", check=check, database_url=url)


def refusal(url):
    """Why it refuses: one line, and nothing on standard output."""
    done = migrate(url, check=False)
    assert done.returncode != 0
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    return done.stderr


def record(url):
    return run(url, "SELECT version, name, checksum, applied_at FROM balances.schema_migration ORDER BY 1")


def test_empty_database_gets_every_migration_once(empty):
    first = migrate(empty)
    assert re.findall(r"^applied (\d+) \((\w+)\)$", first.stdout, re.MULTILINE) == [
        (str(v), name) for v, name, *_ in record(empty)]
    assert first.stdout.endswith(f"up to date at version {NEWEST}\n")
    assert [v for v, *_ in record(empty)] == VERSIONS == list(range(1, NEWEST + 1))
    before = record(empty)
    assert migrate(empty).stdout == f"up to date at version {NEWEST}\n"
    assert record(empty) == before


def test_five_at_once_apply_each_migration_once(empty):
    environment = harness.clean_environment(database_url=empty)
    running = [subprocess.Popen(harness.dying_with_us("KILL") + [harness.BUILD / "server/balanced", "migrate"],
                                env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
               for _ in range(5)]
    outputs = [process.communicate(timeout=harness.PATIENCE_S) for process in running]
    assert [process.returncode for process in running] == [0] * 5, outputs
    applied = [line for out, _ in outputs for line in out.splitlines() if line.startswith("applied")]
    assert len(applied) == NEWEST
    assert all(out.endswith(f"up to date at version {NEWEST}\n") for out, _ in outputs)


def test_it_waits_for_its_turn_and_says_so(empty):
    migrate(empty)
    with contextlib.closing(psycopg2.connect(empty)) as holder, holder.cursor() as cursor:
        # The key is the word "balanced" as a number.
        cursor.execute("SELECT pg_advisory_lock(%s)", (int.from_bytes(b"balanced", "big"),))
        with subprocess.Popen(
                harness.dying_with_us("KILL") + [harness.BUILD / "server/balanced", "migrate"],
                env=harness.clean_environment(database_url=empty), text=True, stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout.readline() == "waiting for another migration of this database to end\n"
            assert process.poll() is None
            holder.close()
            assert process.stdout.read() == f"up to date at version {NEWEST}\n"
            assert process.wait(harness.PATIENCE_S) == 0


def test_newer_database_is_refused(database):
    run(database, "INSERT INTO balances.schema_migration (version, name, checksum) VALUES (%s, 'n', 'c')",
        NEWEST + 1)
    assert f"database is newer: version {NEWEST + 1}, this program knows up to {NEWEST}" in refusal(database)


def test_edited_migration_is_refused(database):
    run(database, "UPDATE balances.schema_migration SET checksum = repeat('0', 64) WHERE version = 3")
    assert "migration 3 was edited after it was applied" in refusal(database)


def test_gap_is_refused(database):
    run(database, "DELETE FROM balances.schema_migration WHERE version = 2")
    assert f"there is a gap: migration 2 was not applied, but {NEWEST} was" in refusal(database)


def test_failed_migration_leaves_nothing_and_can_be_repeated(empty):
    run(empty, "CREATE SCHEMA balances; CREATE TABLE balances.contract (id int)")
    done = migrate(empty, check=False)
    assert done.returncode != 0
    assert 'migration 3 (customers) failed and was undone: relation "contract" already exists' in done.stderr
    assert [v for v, *_ in record(empty)] == [1, 2]
    assert run(empty, "SELECT to_regclass('balances.customer')") == [(None,)]
    run(empty, "DROP TABLE balances.contract")
    assert migrate(empty).stdout.startswith("applied 3 (customers)\n")


def test_it_does_not_wait_long_for_a_lock(empty):
    run(empty, "CREATE SCHEMA balances")
    migrate(empty)
    run(empty, f"DELETE FROM balances.schema_migration WHERE version = {NEWEST}")
    run(empty, "DROP INDEX balances.product_by_tag")
    with contextlib.closing(psycopg2.connect(empty)) as holder, holder.cursor() as cursor:
        cursor.execute("LOCK balances.schema_migration IN SHARE MODE")
        assert "canceling statement due to lock timeout" in refusal(empty)
    assert migrate(empty).stdout == f"applied {NEWEST} (product_tags)\nup to date at version {NEWEST}\n"


def test_limits_of_the_role_do_not_stop_it(postgres, empty):
    """It waits for its turn for longer than the role's statements may take, and is not cut short."""
    run(empty, "CREATE ROLE hurried LOGIN; ALTER ROLE hurried SET statement_timeout = '400ms';"
               "ALTER ROLE hurried SET search_path = nowhere;"
               "ALTER ROLE hurried SET default_transaction_isolation = serializable")
    hurried = empty.replace("user=balanced", "user=hurried")
    try:
        name = re.search(r"/(test_\d+)\?", empty).group(1)
        run(empty, f'GRANT CREATE ON DATABASE "{name}" TO hurried')
        with contextlib.closing(psycopg2.connect(empty)) as holder, holder.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [int.from_bytes(b"balanced", "big")])
            running = subprocess.Popen(
                harness.dying_with_us("KILL") + [harness.BUILD / "server/balanced", "migrate"], text=True,
                env=harness.clean_environment(database_url=hurried), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            harness.wait_until(lambda: run(empty, "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"),
                               "its turn to be waited for")
            time.sleep(1)
        said, complaints = running.communicate(timeout=harness.PATIENCE_S)
        assert running.returncode == 0, said + complaints
        assert [v for v, *_ in record(empty)] == VERSIONS
    finally:
        run(empty, "DROP OWNED BY hurried")
        run(empty, "DROP ROLE hurried")


def test_role_that_may_only_read_sees_that_nothing_is_missing(database):
    run(database, "CREATE ROLE reader LOGIN; GRANT USAGE ON SCHEMA balances TO reader;"
                  "GRANT SELECT ON balances.schema_migration TO reader")
    try:
        reader = database.replace("user=balanced", "user=reader")
        assert migrate(reader).stdout == f"up to date at version {NEWEST}\n"
    finally:
        run(database, "DROP OWNED BY reader; DROP ROLE reader")


def test_database_that_is_not_there_is_one_clear_line(postgres):
    assert 'database "nothing" does not exist' in refusal(postgres.url_of("nothing"))


def test_installations_have_keys_of_their_own(postgres):
    keys = []
    for _ in range(2):
        url = postgres.new_database()
        migrate(url)
        keys += run(url, "SELECT token_key, credit_application_order::text FROM balances.installation")
    assert all(len(key) == 32 and order == "{PREPAYMENT,BALANCE}" for key, order in keys)
    assert bytes(keys[0][0]) != bytes(keys[1][0])
    with pytest.raises(psycopg2.errors.CheckViolation):
        run(url, "INSERT INTO balances.installation (id, token_key) VALUES (false, %s)", keys[0][0])

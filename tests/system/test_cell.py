"""sql/cell.c and sql/args.c against a real PostgreSQL: its *_send functions give the bytes of every kind
of value, the program tests/unit/cell_print reads them, and both must mean the same.

TEST_SEED repeats the random numbers of a run.
"""

import os
import random
import subprocess
import uuid

import pytest

import harness

PRINT = harness.BUILD / "tests" / "unit" / "cell_print"
SEED = os.environ.get("TEST_SEED") or str(random.SystemRandom().getrandbits(32))

LARGEST = "99999999999999999999999999.999999999999"
GOOD_NUMBERS = [
    "0", "0.000", "1", "-1", "0.5", "-0.5", "1.50", "100.000", "125", "9999", "10000", "9999.9999",
    "10000.0001", "100000000", "12345678.000000001234", "0.000000000001", "-0.000000000001",
    "0.0001", "0.00000001", "0.000010000001", "10000000000000000000000000", LARGEST, "-" + LARGEST,
    "18446744.073709551615", "18446744.073709551616", "99990000000099990000.000099990000",
    "0.100000000000000000000000",  # more zeros than digits that may be
]
BAD_NUMBERS = ["NaN", "Infinity", "-Infinity", "1e26", "-1e26", "1e40", "1e1000", "1e-13", "-1e-16",
               "1.0000000000001", LARGEST + "1", "0.5e-12"]


@pytest.fixture(scope="module")
def sql(postgres):
    """Runs a statement; returns its rows."""
    with postgres.connect() as connection, connection.cursor() as cursor:
        def run(statement, *parameters):
            cursor.execute(statement, parameters)
            return cursor.fetchall()

        yield run


def answers(lines):
    """cell_print's answer to each line."""
    run = subprocess.run([PRINT], input="".join(line + "\n" for line in lines), capture_output=True,
                         text=True, timeout=300)
    assert run.returncode == 0 and run.stderr == "", run.stderr
    got = run.stdout.splitlines()
    assert len(got) == len(lines)
    return got


def read(sql, types, records, *parameters):
    """What an array of these SQL records is read as."""
    [[value]] = sql(f"SELECT encode(array_send(ARRAY[{records}]), 'hex')", *parameters)
    return answers([f"read {types} {value}"])[0].split()


def numbers(sql, texts):
    """What each of these numbers is read as: one line of records each."""
    rows = sql("SELECT encode(array_send(ARRAY[ROW(u.v::numeric)]), 'hex')"
               " FROM unnest(%s) WITH ORDINALITY AS u (v, n) ORDER BY u.n", texts)
    return [line.strip(" ;") for line in answers([f"read n {value}" for [value] in rows])]


def canonical(text):
    """The shortest text of the same number. On text alone: Decimal would round to its context."""
    whole, _, fraction = text.lstrip("-").partition(".")
    whole, fraction = whole.lstrip("0") or "0", fraction.rstrip("0")
    value = whole + ("." + fraction if fraction else "")
    return value if value == "0" else text[:text.startswith("-")] + value


def test_numeric_is_exact_or_refused(sql):
    assert numbers(sql, GOOD_NUMBERS) == [canonical(text) for text in GOOD_NUMBERS]
    assert numbers(sql, BAD_NUMBERS) == ["bad"] * len(BAD_NUMBERS)


def test_random_numeric_is_exact(sql):
    print(f"TEST_SEED={SEED}")
    rng = random.Random(SEED)
    texts = []
    for _ in range(3000):
        whole = str(rng.getrandbits(90))[:rng.randint(1, 26)]
        fraction = f"{rng.getrandbits(60):012d}"[:rng.randint(0, 12)] + "0" * rng.choice([0, 0, 1, 5])
        # Runs of zeros, so that whole digits of base 10000 are missing.
        if rng.random() < 0.3:
            whole = whole[:rng.randint(1, len(whole))].ljust(len(whole), "0")
            fraction = "0" * (len(fraction) // 2) + fraction[len(fraction) // 2:]
        texts.append(rng.choice(["", "-"]) + whole + ("." + fraction if fraction else ""))
    assert numbers(sql, texts) == [canonical(text) for text in texts]


def test_computed_numeric_is_exact(sql):
    """Results of arithmetic have scales and zeros that no text has."""
    rows = sql("SELECT x::text, encode(array_send(ARRAY[ROW(x)]), 'hex') FROM (VALUES"
               " (1::numeric / 4), (10000::numeric * 10000), (0.0001 * 10000), (1.5 - 1.5),"
               " (99999999.9999 + 0.0001), (1e20 - 1), (0.00010000 * 0.0001),"
               " (round(1.25, 1)), (trunc(123456789.123456789, -4)), (1 - 2.000000000001)) v (x)")
    got = [line.strip(" ;") for line in answers([f"read n {value}" for _, value in rows])]
    assert got == [canonical(text) for text, _ in rows]


def test_record_of_every_type(sql):
    a, b = uuid.uuid4(), uuid.uuid4()
    got = read(sql, "untiiidbbssS",
               "ROW(%s::uuid, -1.5::numeric, '1969-12-31 23:59:59.999999+00'::timestamptz,"
               " -1::smallint, 7::int, 9223372036854775807::bigint, 0.1::float8, true, false, 'naïve'::text,"
               " ''::text, ARRAY['a', NULL, '']),"
               " ROW(%s::uuid, 0::numeric, '0001-01-01 00:00:00+00'::timestamptz,"
               " 0::smallint, -7::int, 0::bigint, 'infinity'::float8, false, true, ''::text,"
               " NULL::text, NULL::text[])", str(a), str(b))
    assert got == [str(a), "-1.5", "-1", "-1", "7", "9223372036854775807", "0.10000000000000001", "true",
                   "false", "naïve".encode().hex(), "[", "61", "-", "]", ";",
                   str(b), "0", "-62135596800000000", "0", "-7", "0", "inf", "false", "true", "-", "-", ";"]


def test_record_of_nulls(sql):
    got = read(sql, "unidsS", "ROW(NULL::uuid, NULL::numeric, NULL::int, NULL::float8, NULL::text,"
                              " NULL::text[])")
    assert got == ["-"] * 6 + [";"]


def test_instant_outside_of_our_years_is_bad(sql):
    for text in ("infinity", "-infinity", "0001-12-31 23:59:59.999999 BC", "10000-01-01"):
        assert read(sql, "t", "ROW(%s::timestamptz AT TIME ZONE 'UTC' AT TIME ZONE 'UTC')", text) == ["bad"]
    assert read(sql, "t", "ROW('9999-12-31 23:59:59.999999+00'::timestamptz)") == ["253402300799999999", ";"]


def test_value_of_another_type_is_bad(sql):
    for types, record in (("u", "ROW('text'::text)"), ("n", "ROW(1::int)"), ("t", "ROW(1::int)"),
                          ("d", "ROW(1::int)"), ("b", "ROW(1::int)"), ("i", "ROW('abc'::text)"),
                          ("S", "ROW(ARRAY[ARRAY['a'], ARRAY['b']])"), ("s", "ROW(1, 2)"),
                          ("ss", "ROW(1)")):
        assert read(sql, types, record) == ["bad"], (types, record)


def test_arguments_are_as_postgresql_reads_them(sql):
    an_id = str(uuid.uuid4())
    texts = ["a", "CREDIT_MANUAL", "naïve €", "x" * 300]
    lines, wanted = [], []
    for line, expression, parameter in (
            (f"write u {an_id}", "uuid_send(%s::uuid)", an_id),
            ("write i -2", "int8send(%s)", -2),
            ("write i 9223372036854775807", "int8send(%s)", 9223372036854775807),
            ("write b true", "boolsend(%s)", True),
            ("write b false", "boolsend(%s)", False),
            ("write t -1", "timestamptz_send(%s::timestamptz)", "1969-12-31 23:59:59.999999+00"),
            ("write t -62135596800000000", "timestamptz_send(%s::timestamptz)", "0001-01-01 00:00:00+00"),
            ("write t 253402300799999999", "timestamptz_send(%s::timestamptz)", "9999-12-31 23:59:59.999999+00"),
            ("write S ", "array_send(%s::text[])", []),
            ("write S " + " ".join(t.encode().hex() for t in texts), "array_send(%s::text[])", texts)):
        [[value]] = sql(f"SELECT encode({expression}, 'hex')", parameter)
        lines.append(line)
        wanted.append(value)
    assert answers(lines) == wanted

"""The checks refuse what they are there to refuse: each is shown a planted breach."""

import pytest

import layers
import tidy


@pytest.mark.parametrize("path, include, wrong", [
    ("server/base/log.c", '"ledger/amount.h"', "base may not know ledger"),
    ("server/ledger/balance.c", '"sql/conn.h"', "ledger may not know sql"),
    ("server/ledger/balance.c", "<time.h>", "pure"),
    ("server/ledger/balance.c", "<balances/v1/balances.pb-c.h>", "is not for"),
    ("sql/conn.c", '"cache/cache.h"', "sql may not know cache"),
    ("cache/cache.c", '"sql/conn.h"', "cache may not know sql"),
    ("server/rpc/call.c", '"ledger/model.h"', "rpc may not know ledger"),
    ("server/rpc/call.c", "<balances/v1/balances.pb-c.h>", "is not for"),
    ("server/app/list.c", "<grpc/grpc.h>", "is not for"),
    ("server/app/list.c", "<libpq-fe.h>", "is not for"),
    ("sql/pool.c", "<libpq-fe.h>", "is not for"),
    ("sql/conn.c", "<postgresql/libpq-fe.h>", "is not for"),
    ("cache/cache.c", "<hiredis/hiredis.h>", "is not for"),
    ("cache/cache.c", "<openssl/ssl.h>", "is not for"),
    ("server/base/log.c", "<uuid/uuid.h>", "is not for"),
    ("client/table.c", '"sql/conn.h"', "client may not know sql"),
    ("client/table.c", '"attic/err.h"', "of no known room"),
    ("server/attic/a.c", "<stdio.h>", "does not know"),
    ("server/main.c", "<libpq-fe.h>", "is not for"),
    ("sql/conn.c", '"server/descriptors.h"', "sql may not know server"),
])
def test_forbidden_include_is_refused(tmp_path, path, include, wrong):
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.write_text(f"/* A file. */\n#include {include}\n")
    found = layers.check(tmp_path)
    assert len(found) == 1 and found[0].startswith(path) and wrong in found[0]


@pytest.mark.parametrize("path, include", [
    ("server/main.c", '"app/app.h"'),
    ("server/app/list.c", '"sql/pool.h"'),
    ("server/app/list.c", "<balances/v1/balances.pb-c.h>"),
    ("server/rpc/health.c", '"grpc/health/v1/health.pb-c.h"'),
    ("server/rpc/call.c", "<grpc/grpc.h>"),
    ("server/ledger/balance.c", '"base/err.h"'),
    ("server/ledger/balance.c", "<string.h>"),
    ("sql/conn.c", "<libpq-fe.h>"),
])
def test_fitting_include_is_accepted(tmp_path, path, include):
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.write_text(f"/* A file. */\n#include {include}\n")
    assert layers.check(tmp_path) == []


@pytest.mark.parametrize("name, text, wrong", [
    ("a.c", "int a;\n", "one job"),
    ("a.c", "/* a */\nint a;", "end of line"),
    ("a.c", "/* a */\n" + "x" * 101 + "\n", "101 columns"),
    ("a.h", "/* a */ \n", "blanks"),
    ("a.h", "/* a */\n\tint a;\n", "tab"),
    ("a.h", "/* a: TO" "DO */\n", "later"),
    ("a.c", "/* a */\nstrcpy(a, b);\n", "unbounded"),
    ("a.c", "/* a */\nint n = atoi(s);\n", "cannot fail"),
    ("a.py", "# FIX" "ME\n", "later"),
    ("run", "#!/bin/sh\ntrue \n", "blanks"),
])
def test_untidy_file_is_refused(tmp_path, name, text, wrong):
    (tmp_path / name).write_text(text)
    found = tidy.check(tmp_path)
    assert len(found) == 1 and wrong in found[0], found


def test_build_and_data_are_not_looked_at(tmp_path):
    for directory in tidy.SKIPPED:
        (tmp_path / directory).mkdir()
        (tmp_path / directory / "a.c").write_text("int a;")
    assert tidy.check(tmp_path) == []

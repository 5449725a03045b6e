"""The words that the database, the program and the wire share: each has its own list of them, and the
lists must agree, in a migrated database, whatever its migrations did one after the other.
"""

import re

import pytest

import harness

MODEL = (harness.SOURCE / "server/ledger/model.h").read_text()
# The wire's enums of the database's types, and what a wire name has before the database's label. A label
# that the wire has no name for would make every answer that has it fail.
ENUMS = {
    "ledger_entry_type": ("LedgerEntryType", "LEDGER_ENTRY_TYPE_"),
    "balance_kind": ("BalanceType", "BALANCE_TYPE_"),
    "rate_type": ("RateType", "RATE_TYPE_"),
    "child_access": ("ChildAccess.Type", "TYPE_"),
    "line_item_type": ("LineItemType", "LINE_ITEM_TYPE_"),
    "credit_application": ("CreditApplication", "CREDIT_APPLICATION_"),
    "entity_type": ("TransactionEntityType", "TRANSACTION_ENTITY_TYPE_"),
}
# Those that never leave the server as they are.
INTERNAL = {"segment_role", "invoice_status"}


@pytest.fixture
def sql(postgres, database):
    with postgres.connect(database) as connection, connection.cursor() as cursor:
        def run(statement, *parameters):
            cursor.execute(statement, parameters)
            return cursor.fetchall()

        yield run


@pytest.fixture
def labels(sql):
    """The labels of every enum type of the schema, in the database's order."""
    found = {}
    for name, label in sql(
            "SELECT t.typname, e.enumlabel FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid"
            " WHERE t.typnamespace = 'balances'::regnamespace ORDER BY t.typname, e.enumsortorder"):
        found.setdefault(name, []).append(label)
    return found


@pytest.fixture
def program_types():
    """ENTRY_TYPES of the program, in its order."""
    listed = re.search(r"#define ENTRY_TYPES\(X\)(.*?)\n// clang-format on", MODEL, re.DOTALL).group(1)
    return re.findall(r"X\((\w+)\)", listed)


def wire_names(name):
    """The names of an enum of the wire, without the one of 0, which is no value."""
    enum = harness.messages().pool.FindEnumTypeByName(f"balances.v1.{name}")
    assert enum.values_by_number[0].name.endswith("_UNSPECIFIED")
    return [value.name for value in enum.values if value.number != 0]


def test_entry_types_are_ordered_alike(labels, program_types):
    """Entries of one instant are put in order by the database and by the program."""
    assert len(program_types) == 29
    assert labels["ledger_entry_type"] == program_types


def test_every_label_has_its_name_on_the_wire(labels):
    assert set(labels) == set(ENUMS) | INTERNAL
    for name, (wire, prefix) in ENUMS.items():
        assert {prefix + label for label in labels[name]} == set(wire_names(wire)), name


def test_kinds_and_roles_are_the_programs(labels):
    rows = (harness.SOURCE / "server/app/rows.c").read_text()
    assert set(labels["balance_kind"]) == set(re.findall(r'\[BALANCE_\w+\] = "(\w+)"', rows))
    assert labels["segment_role"] == re.findall(r"^    SEGMENT_(ACCESS|ROLLOVER),$", MODEL, re.MULTILINE)


def test_entry_type_is_of_the_kind_that_its_name_begins_with(sql, labels):
    rules = dict(sql("SELECT type::text, kind::text FROM balances.ledger_entry_rule"))
    assert set(rules) == set(labels["ledger_entry_type"])
    for entry_type, kind in rules.items():
        assert entry_type.startswith(kind + "_")


def test_derived_entry_types_are_those_that_are_never_stored(sql):
    """What server/ledger/derived.c makes, no one may store, and the other way round."""
    derived = set(re.findall(r"ENTRY_(\w+)", (harness.SOURCE / "server/ledger/derived.c").read_text()))
    unstored = {t for t, in sql("SELECT type::text FROM balances.ledger_entry_rule WHERE total IS NULL")}
    assert derived - {"TYPES", "TYPE_COUNT"} == unstored

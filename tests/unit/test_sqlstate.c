/* PostgreSQL's error codes as ours: what may be tried again later is told from what is our bug. */
#include "kit.h"

#include "sql/sqlstate.h"

static void sqlstate_becomes_err(void **state)
{
    (void)state;
    static const struct {
        const char *state;
        enum err err;
    } rows[] = {
        {"57014", ERR_DEADLINE},    /* statement timeout */
        {"57P01", ERR_UNAVAILABLE}, /* shut down by an administrator */
        {"57P02", ERR_UNAVAILABLE}, /* crashed */
        {"57P03", ERR_UNAVAILABLE}, /* starting up */
        {"08000", ERR_UNAVAILABLE}, /* connection exception */
        {"08006", ERR_UNAVAILABLE}, /* connection failure */
        {"53300", ERR_UNAVAILABLE}, /* too many connections */
        {"53100", ERR_UNAVAILABLE}, /* disk full */
        {"53200", ERR_UNAVAILABLE}, /* out of memory */
        {"25006", ERR_UNAVAILABLE}, /* read-only transaction */
        {"25P02", ERR_INTERNAL},    /* in a failed transaction: ours would be the bug */
        {"0A000", ERR_UNAVAILABLE}, /* cached plan must not change result type */
        {"26000", ERR_UNAVAILABLE}, /* no such prepared statement */
        {"28P01", ERR_UNAVAILABLE}, /* wrong password */
        {"28000", ERR_UNAVAILABLE}, /* no such role */
        {"3D000", ERR_UNAVAILABLE}, /* no such database */
        {"40001", ERR_ABORTED},     /* serialization failure */
        {"40P01", ERR_ABORTED},     /* deadlock */
        {"55P03", ERR_ABORTED},     /* lock not available */
        {"55000", ERR_INTERNAL},    /* object not in prerequisite state */
        {"23505", ERR_ABORTED},     /* unique violation: another writer was first */
        {"23503", ERR_ABORTED},     /* foreign key violation: it was there when we looked */
        {"22003", ERR_RANGE},       /* numeric out of range */
        {"22012", ERR_INTERNAL},    /* division by zero */
        {"23514", ERR_INTERNAL},    /* check violation: what we write was checked */
        {"42P01", ERR_UNAVAILABLE}, /* undefined table: it was there when we prepared */
        {"42601", ERR_INTERNAL},    /* syntax error */
        {"42501", ERR_INTERNAL},    /* insufficient privilege */
        {"XX000", ERR_INTERNAL},    /* internal error */
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(sqlstate_err(rows[i].state), rows[i].err);
}

static void sqlstate_of_migrated_schema_is_outdated(void **state)
{
    (void)state;
    static const char *const outdated[] = {"0A000", "26000", "3F000", "42P01",
                                           "42703", "42704", "42883"};
    static const char *const others[] = {"", "0A", "0A0000", "42501", "57P01", "08006"};

    for (size_t i = 0; i < COUNT(outdated); i++) {
        assert_true(sqlstate_is_outdated(outdated[i]));
        assert_int_equal(sqlstate_err(outdated[i]), ERR_UNAVAILABLE);
    }
    for (size_t i = 0; i < COUNT(others); i++)
        assert_false(sqlstate_is_outdated(others[i]));
    assert_false(sqlstate_is_outdated(NULL));
}

static void sqlstate_of_no_answer_is_unavailable(void **state)
{
    (void)state;
    assert_int_equal(sqlstate_err(NULL), ERR_UNAVAILABLE);
    assert_int_equal(sqlstate_err(""), ERR_UNAVAILABLE);
    assert_int_equal(sqlstate_err("5701"), ERR_UNAVAILABLE);
    assert_int_equal(sqlstate_err("570144"), ERR_UNAVAILABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sqlstate_becomes_err),
        cmocka_unit_test(sqlstate_of_migrated_schema_is_outdated),
        cmocka_unit_test(sqlstate_of_no_answer_is_unavailable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

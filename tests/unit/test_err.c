/* The table of errors: every row is complete, and its reason is one that a caller may match on. */
#include "kit.h"

#include "base/err.h"

static void err_reasons_are_of_the_wire_form(void **state)
{
    (void)state;
    /* google.rpc.ErrorInfo: [A-Z][A-Z0-9_]+[A-Z0-9], at most 63 characters. */
    for (enum err e = 0; e < ERR_COUNT; e++) {
        const char *reason = err_reason(e);
        size_t len = strlen(reason);
        assert_in_range(len, 2, 63);
        assert_int_equal(strspn(reason, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"), len);
        assert_true(reason[0] >= 'A' && reason[0] <= 'Z' && reason[len - 1] != '_');
        for (enum err other = 0; other < e; other++)
            assert_string_not_equal(reason, err_reason(other));
    }
}

static void err_texts_are_there(void **state)
{
    (void)state;
    for (enum err e = 0; e < ERR_COUNT; e++)
        assert_true(*err_text(e));
}

static void err_codes_are_grpcs(void **state)
{
    (void)state;
    static const struct {
        enum err err;
        const char *name;
    } rows[] = {
        {ERR_OK, "OK"},
        {ERR_CANCELLED, "CANCELLED"},
        {ERR_UNKNOWN, "UNKNOWN"},
        {ERR_INVALID, "INVALID_ARGUMENT"},
        {ERR_DEADLINE, "DEADLINE_EXCEEDED"},
        {ERR_NOT_FOUND, "NOT_FOUND"},
        {ERR_EXISTS, "ALREADY_EXISTS"},
        {ERR_DENIED, "PERMISSION_DENIED"},
        {ERR_EXHAUSTED, "RESOURCE_EXHAUSTED"},
        {ERR_TOO_LARGE, "RESOURCE_EXHAUSTED"},
        {ERR_PRECONDITION, "FAILED_PRECONDITION"},
        {ERR_ABORTED, "ABORTED"},
        {ERR_RANGE, "OUT_OF_RANGE"},
        {ERR_UNIMPLEMENTED, "UNIMPLEMENTED"},
        {ERR_INTERNAL, "INTERNAL"},
        {ERR_UNAVAILABLE, "UNAVAILABLE"},
        {ERR_STOPPING, "UNAVAILABLE"},
        {ERR_UNAUTHENTICATED, "UNAUTHENTICATED"},
    };
    assert_int_equal(COUNT(rows), ERR_COUNT);
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_string_equal(err_grpc_name(err_grpc_code(rows[i].err)), rows[i].name);
}

static void err_name_of_no_code_is_unknown(void **state)
{
    (void)state;
    assert_string_equal(err_grpc_name(-1), "UNKNOWN");
    assert_string_equal(err_grpc_name(15), "DATA_LOSS");
    assert_string_equal(err_grpc_name(17), "UNKNOWN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(err_reasons_are_of_the_wire_form),
        cmocka_unit_test(err_texts_are_there),
        cmocka_unit_test(err_codes_are_grpcs),
        cmocka_unit_test(err_name_of_no_code_is_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

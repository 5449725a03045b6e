/* The details of a failed call, unpacked again as a caller would: what is in them, that they never
 * grow too large for trailers, and that no memory is a plain status and not a crash. */
#include "kit.h"

#include "base/utf8.h"
#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "rpc/status.h"

static struct arena_pool pool;
static struct arena arena;
static struct status status;

static int open_status(void **state)
{
    (void)state;
    arena_pool_init(&pool, ARENA_POOL_BYTES_MAX);
    arena_init(&arena, &pool, ARENA_BYTES_MAX);
    status_init(&status);
    return 0;
}

static int close_status(void **state)
{
    (void)state;
    arena_reset(&arena);
    arena_pool_done(&pool);
    return 0;
}

static Google__Rpc__Status *details(void)
{
    struct bytes bytes = status_details(&status, &arena, "balances");

    assert_in_range(bytes.len, 1, STATUS_DETAILS_BYTES_MAX);
    Google__Rpc__Status *ret = google__rpc__status__unpack(NULL, bytes.len, bytes.data);
    assert_non_null(ret);
    assert_int_equal(ret->code, err_grpc_code(status.err));
    return ret;
}

/* The detail of this type, unpacked; it must be there once. */
static void *detail(const Google__Rpc__Status *s, const ProtobufCMessageDescriptor *type)
{
    char url[128];
    void *ret = NULL;

    snprintf(url, sizeof url, "type.googleapis.com/%s", type->name);
    for (size_t i = 0; i < s->n_details; i++) {
        if (strcmp(s->details[i]->type_url, url) != 0)
            continue;
        assert_null(ret);
        ret = protobuf_c_message_unpack(type, NULL, s->details[i]->value.len,
                                        s->details[i]->value.data);
    }
    assert_non_null(ret);
    return ret;
}

static void status_always_has_error_info(void **state)
{
    (void)state;
    for (enum err e = ERR_OK + 1; e < ERR_COUNT; e++) {
        status.err = e;
        status.message = err_text(e);
        Google__Rpc__Status *s = details();
        assert_int_equal(s->n_details, 1);
        assert_string_equal(s->message, err_text(e));
        Google__Rpc__ErrorInfo *info = detail(s, &google__rpc__error_info__descriptor);
        assert_string_equal(info->reason, err_reason(e));
        assert_string_equal(info->domain, "balances");
        google__rpc__error_info__free_unpacked(info, NULL);
        google__rpc__status__free_unpacked(s, NULL);
    }
}

static void status_reason_may_be_its_own(void **state)
{
    (void)state;
    status.err = ERR_PRECONDITION;
    status.reason = "SEGMENT_EXPIRED";
    Google__Rpc__Status *s = details();
    Google__Rpc__ErrorInfo *info = detail(s, &google__rpc__error_info__descriptor);
    assert_string_equal(info->reason, "SEGMENT_EXPIRED");
    assert_string_equal(s->message, "");
    google__rpc__error_info__free_unpacked(info, NULL);
    google__rpc__status__free_unpacked(s, NULL);
}

static void status_violations_are_all_there(void **state)
{
    (void)state;
    char field[] = "filters[0].ids[0]";

    status.err = ERR_INVALID;
    status.message = "two fields";
    status_violation(&status, &arena, field, "must be %d", 7);
    field[8] = '1'; /* what was handed over is a copy */
    status_violation(&status, &arena, field, "is required");
    Google__Rpc__Status *s = details();
    assert_int_equal(s->n_details, 2);
    Google__Rpc__BadRequest *bad = detail(s, &google__rpc__bad_request__descriptor);
    assert_int_equal(bad->n_field_violations, 2);
    assert_string_equal(bad->field_violations[0]->field, "filters[0].ids[0]");
    assert_string_equal(bad->field_violations[0]->description, "must be 7");
    assert_string_equal(bad->field_violations[1]->field, "filters[1].ids[0]");
    assert_string_equal(bad->field_violations[1]->description, "is required");
    google__rpc__bad_request__free_unpacked(bad, NULL);
    google__rpc__status__free_unpacked(s, NULL);
}

static void status_missing_thing_is_named(void **state)
{
    (void)state;
    status.err = ERR_NOT_FOUND;
    status.message = "customer 1 does not exist";
    status.resource_type = "customer";
    status.resource_name = "1";
    Google__Rpc__Status *s = details();
    assert_int_equal(s->n_details, 2);
    Google__Rpc__ResourceInfo *info = detail(s, &google__rpc__resource_info__descriptor);
    assert_string_equal(info->resource_type, "customer");
    assert_string_equal(info->resource_name, "1");
    assert_string_equal(info->description, ""); /* the message says it */
    google__rpc__resource_info__free_unpacked(info, NULL);
    google__rpc__status__free_unpacked(s, NULL);
}

static void status_broken_precondition_is_named(void **state)
{
    (void)state;
    char subject[200];

    memset(subject, 's', sizeof subject - 1);
    subject[sizeof subject - 1] = '\0';
    status.err = ERR_PRECONDITION;
    status.message = "segment 1 has expired";
    status.reason = status.precondition_type = "SEGMENT_EXPIRED";
    status.precondition_subject = "segment/1";
    Google__Rpc__Status *s = details();
    assert_int_equal(s->n_details, 2);
    Google__Rpc__PreconditionFailure *failure =
        detail(s, &google__rpc__precondition_failure__descriptor);
    assert_int_equal(failure->n_violations, 1);
    assert_string_equal(failure->violations[0]->type, "SEGMENT_EXPIRED");
    assert_string_equal(failure->violations[0]->subject, "segment/1");
    assert_string_equal(failure->violations[0]->description, "segment 1 has expired");
    google__rpc__precondition_failure__free_unpacked(failure, NULL);
    google__rpc__status__free_unpacked(s, NULL);

    status.precondition_subject = subject; /* is cut */
    s = details();
    failure = detail(s, &google__rpc__precondition_failure__descriptor);
    assert_in_range(strlen(failure->violations[0]->subject), 60, 100);
    google__rpc__precondition_failure__free_unpacked(failure, NULL);
    google__rpc__status__free_unpacked(s, NULL);
}

static void status_retry_delay_is_exact(void **state)
{
    (void)state;
    static const struct {
        int32_t ms;
        int64_t seconds;
        int32_t nanos;
    } rows[] = {
        {0, 0, 0}, {1, 0, 1000000}, {200, 0, 200000000}, {1000, 1, 0}, {61999, 61, 999000000}};

    for (size_t i = 0; i < COUNT(rows); i++) {
        status.err = ERR_UNAVAILABLE;
        status.retry_after_ms = rows[i].ms;
        Google__Rpc__Status *s = details();
        Google__Rpc__RetryInfo *info = detail(s, &google__rpc__retry_info__descriptor);
        assert_int_equal(info->retry_delay->seconds, rows[i].seconds);
        assert_int_equal(info->retry_delay->nanos, rows[i].nanos);
        google__rpc__retry_info__free_unpacked(info, NULL);
        google__rpc__status__free_unpacked(s, NULL);
    }
}

/* The largest that can come about: its details are there, and not left out for their size. */
static void status_largest_fits_trailers(void **state)
{
    (void)state;
    char message[STATUS_MESSAGE_BYTES_MAX], field[1000], text[1000];

    memset(message, 'm', sizeof message - 1);
    message[sizeof message - 1] = '\0';
    for (size_t i = 0; i + 2 < sizeof text; i += 2) {
        memcpy(text + i, "\xc3\xaf", 3); /* of two bytes each */
        memcpy(field + i, "f[", 3);
    }
    status.err = ERR_INVALID;
    status.message = message;
    status.retry_after_ms = INT32_MAX;
    status.resource_type = "invoice_schedule_item";
    status.resource_name = "2714e483-4ff1-48e4-9e25-ac732e8f24f2";
    for (int i = 0; i < 2 * VIOLATIONS_MAX; i++)
        status_violation(&status, &arena, field, "%*s%s", i, "", text);
    assert_int_equal(status.violation_count, VIOLATIONS_MAX);
    Google__Rpc__Status *s = details();
    assert_int_equal(s->n_details, 4);
    Google__Rpc__BadRequest *bad = detail(s, &google__rpc__bad_request__descriptor);
    assert_int_equal(bad->n_field_violations, VIOLATIONS_MAX);
    for (size_t i = 0; i < bad->n_field_violations; i++) {
        const char *description = bad->field_violations[i]->description;
        assert_in_range(strlen(description), 100, 200);
        assert_true(utf8_is_valid(bytes_text(description))); /* no half a character */
        assert_true(*bad->field_violations[i]->field);
    }
    google__rpc__bad_request__free_unpacked(bad, NULL);
    google__rpc__status__free_unpacked(s, NULL);
}

static void status_without_memory_is_plain(void **state)
{
    (void)state;
    size_t plain = 0, whole = 0;

    for (size_t left = 0; left < 4096; left += KIT_ARENA_STEP) {
        struct arena tight;
        kit_arena(&tight, &pool, left);
        status_init(&status);
        status.err = ERR_INVALID;
        status.message = "customer_id is required";
        status.retry_after_ms = 200;
        status_violation(&status, &tight, "customer_id", "is required");
        status_violation(&status, &tight, "limit", "must be from 1 to %d", 25);
        struct bytes bytes = status_details(&status, &tight, "balances");
        if (bytes.len == 0) {
            assert_true(tight.full);
            plain++;
        } else {
            /* Whatever there was no memory for, the rest can be read. */
            Google__Rpc__Status *s = google__rpc__status__unpack(NULL, bytes.len, bytes.data);
            assert_non_null(s);
            assert_int_equal(s->code, 3);
            whole += !tight.full;
            if (!tight.full)
                assert_int_equal(s->n_details, 3);
            google__rpc__status__free_unpacked(s, NULL);
        }
        arena_reset(&tight);
    }
    assert_true(plain > 0 && whole > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(status_always_has_error_info, open_status, close_status),
        cmocka_unit_test_setup_teardown(status_reason_may_be_its_own, open_status, close_status),
        cmocka_unit_test_setup_teardown(status_violations_are_all_there, open_status, close_status),
        cmocka_unit_test_setup_teardown(status_missing_thing_is_named, open_status, close_status),
        cmocka_unit_test_setup_teardown(status_broken_precondition_is_named, open_status,
                                        close_status),
        cmocka_unit_test_setup_teardown(status_retry_delay_is_exact, open_status, close_status),
        cmocka_unit_test_setup_teardown(status_largest_fits_trailers, open_status, close_status),
        cmocka_unit_test_setup_teardown(status_without_memory_is_plain, open_status, close_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

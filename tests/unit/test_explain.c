/* Errors as one line: every detail that is known, those that are not, and text that tries to be
 * more than a line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <google/rpc/error_details.pb-c.h>

#include "client/explain.h"

enum {
    MAX_DETAILS = 4,
    MAX_BYTES = 256,
};

/* An answer under construction, with room for what it points to. */
struct failure {
    struct balances_answer answer;
    Google__Rpc__Status status;
    Google__Protobuf__Any details[MAX_DETAILS];
    Google__Protobuf__Any *pointers[MAX_DETAILS];
    uint8_t bytes[MAX_DETAILS][MAX_BYTES];
};

static void failure_init(struct failure *f, int code, char *message)
{
    memset(f, 0, sizeof *f);
    google__rpc__status__init(&f->status);
    f->status.details = f->pointers;
    f->answer = (struct balances_answer){.code = code, .message = message, .details = &f->status};
}

static Google__Protobuf__Any *add_any(struct failure *f, char *type_url)
{
    size_t i = f->status.n_details++;
    assert_in_range(i, 0, MAX_DETAILS - 1);
    Google__Protobuf__Any *any = f->pointers[i] = &f->details[i];
    google__protobuf__any__init(any);
    any->type_url = type_url;
    any->value.data = f->bytes[i];
    return any;
}

static void add(struct failure *f, char *type_url, const void *message)
{
    assert_in_range(protobuf_c_message_get_packed_size(message), 0, MAX_BYTES);
    Google__Protobuf__Any *any = add_any(f, type_url);
    any->value.len = protobuf_c_message_pack(message, any->value.data);
}

static void expect(const struct failure *f, const char *wanted)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    explain(out, &f->answer);
    fclose(out);
    assert_string_equal(text, wanted);
    free(text);
}

static void status_without_details_is_name_and_message(void **state)
{
    (void)state;
    char message[] = "the server is away";
    struct failure f;
    failure_init(&f, 14, message);
    f.answer.details = NULL;
    expect(&f, "UNAVAILABLE: the server is away");
    f.answer.message = NULL;
    expect(&f, "UNAVAILABLE");
    f.answer.code = 99;
    expect(&f, "UNKNOWN");
}

static void known_details_are_said_in_words(void **state)
{
    (void)state;
    char message[] = "no";
    struct failure f;
    failure_init(&f, 3, message);

    char field[] = "limit";
    char range[] = "1 to 25";
    Google__Rpc__BadRequest__FieldViolation violation;
    google__rpc__bad_request__field_violation__init(&violation);
    violation.field = field;
    violation.description = range;
    Google__Rpc__BadRequest__FieldViolation *violations[] = {&violation, &violation};
    Google__Rpc__BadRequest bad;
    google__rpc__bad_request__init(&bad);
    bad.field_violations = violations;
    bad.n_field_violations = 2;
    char bad_url[] = "type.googleapis.com/google.rpc.BadRequest";
    add(&f, bad_url, &bad);

    char reason[] = "INVALID_REQUEST";
    char key[] = "k";
    char value[] = "v";
    Google__Rpc__ErrorInfo__MetadataEntry entry;
    google__rpc__error_info__metadata_entry__init(&entry);
    entry.key = key;
    entry.value = value;
    Google__Rpc__ErrorInfo__MetadataEntry *entries[] = {&entry};
    Google__Rpc__ErrorInfo info;
    google__rpc__error_info__init(&info);
    info.reason = reason;
    info.metadata = entries;
    info.n_metadata = 1;
    char info_url[] = "google.rpc.ErrorInfo";
    add(&f, info_url, &info);

    char type[] = "customer";
    char name[] = "42";
    Google__Rpc__ResourceInfo resource;
    google__rpc__resource_info__init(&resource);
    resource.resource_type = type;
    resource.resource_name = name;
    char resource_url[] = "x/google.rpc.ResourceInfo";
    add(&f, resource_url, &resource);

    Google__Protobuf__Duration delay;
    google__protobuf__duration__init(&delay);
    delay.seconds = 1;
    delay.nanos = 50000000;
    Google__Rpc__RetryInfo retry;
    google__rpc__retry_info__init(&retry);
    retry.retry_delay = &delay;
    char retry_url[] = "x/google.rpc.RetryInfo";
    add(&f, retry_url, &retry);

    expect(&f, "INVALID_ARGUMENT: no [limit: 1 to 25; limit: 1 to 25; reason INVALID_REQUEST k=v; "
               "customer 42; try again in 1.050 s]");
}

static void detail_that_cannot_be_read_is_named(void **state)
{
    (void)state;
    char message[] = "no";
    struct failure f;
    failure_init(&f, 5, message);
    char unknown[] = "type.googleapis.com/google.rpc.Help";
    add_any(&f, unknown);
    char broken[] = "type.googleapis.com/google.rpc.ErrorInfo";
    Google__Protobuf__Any *any = add_any(&f, broken);
    memset(any->value.data, 0xff, 3);
    any->value.len = 3;
    expect(&f, "NOT_FOUND: no [with a google.rpc.Help; with a google.rpc.ErrorInfo]");
}

static void text_stays_on_its_line(void **state)
{
    (void)state;
    char message[] = "two\nlines \x1b[2J\xff";
    struct failure f;
    failure_init(&f, 13, message);
    expect(&f, "INTERNAL: two lines \uFFFD[2J\uFFFD");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_without_details_is_name_and_message),
        cmocka_unit_test(known_details_are_said_in_words),
        cmocka_unit_test(detail_that_cannot_be_read_is_named),
        cmocka_unit_test(text_stays_on_its_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

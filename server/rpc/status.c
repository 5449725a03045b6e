#include "rpc/status.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"

enum {
    DETAILS_MAX = 4,
    VIOLATION_FIELD_MAX = 80,
    VIOLATION_TEXT_MAX = 160,
    PRECONDITION_TYPE_MAX = 64,
    FRAME_BYTES = 8,    /* at most: tags and lengths of a violation, or of a text */
    DETAIL_BYTES = 144, /* a detail's type, and what is in it but for violations and the message */
    VIOLATIONS_BYTES = VIOLATIONS_MAX * (VIOLATION_FIELD_MAX + VIOLATION_TEXT_MAX + FRAME_BYTES),
};

/* The most that a failed call has to say fits, or its details would be left out. */
static_assert(STATUS_MESSAGE_BYTES_MAX + FRAME_BYTES + DETAILS_MAX * DETAIL_BYTES +
                      VIOLATIONS_BYTES <=
                  STATUS_DETAILS_BYTES_MAX,
              "details may be too large");
static_assert(PRECONDITION_TYPE_MAX + VIOLATION_FIELD_MAX + VIOLATION_TEXT_MAX + FRAME_BYTES <=
                  VIOLATIONS_BYTES,
              "a precondition, which takes the violations' place, may be larger than they");

void status_init(struct status *s)
{
    s->err = ERR_OK;
    s->reason = s->message = s->resource_type = s->resource_name = NULL;
    s->precondition_type = s->precondition_subject = NULL;
    s->violation_count = 0;
    s->retry_after_ms = -1;
}

void status_violation(struct status *s, struct arena *a, const char *field, const char *format, ...)
{
    char name[VIOLATION_FIELD_MAX * 2], description[VIOLATION_TEXT_MAX * 2];
    va_list args;

    if (s->violation_count == VIOLATIONS_MAX)
        return;
    va_start(args, format);
    vsnprintf(description, sizeof description, format, args);
    va_end(args);
    utf8_cut(description, VIOLATION_TEXT_MAX);
    snprintf(name, sizeof name, "%s", field);
    utf8_cut(name, VIOLATION_FIELD_MAX);
    struct violation v = {arena_text(a, bytes_text(name)), arena_text(a, bytes_text(description))};
    if (v.field && v.description)
        s->violations[s->violation_count++] = v;
}

/* One detail, packed into an Any. */
static void add(Google__Rpc__Status *status, struct arena *a, const ProtobufCMessage *detail)
{
    Google__Protobuf__Any *any = arena_alloc(a, sizeof *any);
    size_t len = protobuf_c_message_get_packed_size(detail);
    uint8_t *packed = arena_raw(a, len);
    char *url = arena_printf(a, "type.googleapis.com/%s", detail->descriptor->name);

    if (!any || !packed || !url)
        return;
    protobuf_c_message_pack(detail, packed);
    google__protobuf__any__init(any);
    any->type_url = url;
    any->value.data = packed;
    any->value.len = len;
    status->details[status->n_details++] = any;
}

static void add_error_info(Google__Rpc__Status *status, struct arena *a, const struct status *s,
                           const char *domain)
{
    Google__Rpc__ErrorInfo info;

    google__rpc__error_info__init(&info);
    info.reason = text_borrow(s->reason ? s->reason : err_reason(s->err));
    info.domain = text_borrow(domain);
    add(status, a, &info.base);
}

static void add_bad_request(Google__Rpc__Status *status, struct arena *a, const struct status *s)
{
    Google__Rpc__BadRequest bad;
    Google__Rpc__BadRequest__FieldViolation items[VIOLATIONS_MAX];
    Google__Rpc__BadRequest__FieldViolation *pointers[VIOLATIONS_MAX];

    google__rpc__bad_request__init(&bad);
    for (int i = 0; i < s->violation_count; i++) {
        google__rpc__bad_request__field_violation__init(&items[i]);
        items[i].field = text_borrow(s->violations[i].field);
        items[i].description = text_borrow(s->violations[i].description);
        pointers[i] = &items[i];
    }
    bad.field_violations = pointers;
    bad.n_field_violations = (size_t)s->violation_count;
    add(status, a, &bad.base);
}

static void add_precondition(Google__Rpc__Status *status, struct arena *a, const struct status *s)
{
    Google__Rpc__PreconditionFailure failure;
    Google__Rpc__PreconditionFailure__Violation violation, *pointer = &violation;
    char subject[VIOLATION_FIELD_MAX * 2], description[VIOLATION_TEXT_MAX * 2];

    assert(strlen(s->precondition_type) <= PRECONDITION_TYPE_MAX);
    snprintf(subject, sizeof subject, "%s", s->precondition_subject);
    utf8_cut(subject, VIOLATION_FIELD_MAX);
    snprintf(description, sizeof description, "%s", s->message);
    utf8_cut(description, VIOLATION_TEXT_MAX);
    google__rpc__precondition_failure__init(&failure);
    google__rpc__precondition_failure__violation__init(&violation);
    violation.type = text_borrow(s->precondition_type);
    violation.subject = subject;
    violation.description = description;
    failure.violations = &pointer;
    failure.n_violations = 1;
    add(status, a, &failure.base);
}

static void add_resource_info(Google__Rpc__Status *status, struct arena *a, const struct status *s)
{
    Google__Rpc__ResourceInfo info;

    google__rpc__resource_info__init(&info);
    info.resource_type = text_borrow(s->resource_type);
    info.resource_name = text_borrow(s->resource_name);
    add(status, a, &info.base);
}

static void add_retry_info(Google__Rpc__Status *status, struct arena *a, const struct status *s)
{
    Google__Rpc__RetryInfo info;
    Google__Protobuf__Duration delay;

    google__protobuf__duration__init(&delay);
    google__rpc__retry_info__init(&info);
    delay.seconds = s->retry_after_ms / 1000;
    delay.nanos = s->retry_after_ms % 1000 * 1000000;
    info.retry_delay = &delay;
    add(status, a, &info.base);
}

struct bytes status_details(const struct status *s, struct arena *a, const char *domain)
{
    Google__Rpc__Status status;
    Google__Protobuf__Any *details[DETAILS_MAX];

    google__rpc__status__init(&status);
    status.code = err_grpc_code(s->err);
    status.message = text_borrow(s->message);
    status.details = details;
    add_error_info(&status, a, s, domain);
    if (s->violation_count > 0)
        add_bad_request(&status, a, s);
    else if (s->precondition_type)
        add_precondition(&status, a, s);
    if (s->resource_type)
        add_resource_info(&status, a, s);
    if (s->retry_after_ms >= 0)
        add_retry_info(&status, a, s);
    size_t len = google__rpc__status__get_packed_size(&status);
    uint8_t *packed = len <= STATUS_DETAILS_BYTES_MAX ? arena_raw(a, len) : NULL;
    if (!packed)
        return bytes_of(NULL, 0);
    google__rpc__status__pack(&status, packed);
    return bytes_of(packed, len);
}

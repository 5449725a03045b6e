/* google.rpc.Status in words. Each known detail has a printer; a detail of another type is named,
 * so that nobody thinks there was none, and one that cannot be decoded is named as well. */
#include "client/explain.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <google/rpc/error_details.pb-c.h>

#include "base/err.h"

#include "client/text.h"

/* Pieces in brackets: " [a; b]". */
struct brackets {
    FILE *out;
    bool open;
};

static void next_piece(struct brackets *b)
{
    fputs(b->open ? "; " : " [", b->out);
    b->open = true;
}

static void put(struct brackets *b, const char *text)
{
    text_print(b->out, text, SIZE_MAX);
}

/* "subject: description", or the one that there is. */
static void put_pair(struct brackets *b, const char *subject, const char *description)
{
    next_piece(b);
    put(b, subject);
    if (*subject && *description)
        put(b, ": ");
    put(b, description);
}

static void put_bad_request(struct brackets *b, const ProtobufCMessage *message)
{
    const Google__Rpc__BadRequest *detail = (const Google__Rpc__BadRequest *)message;
    for (size_t i = 0; i < detail->n_field_violations; i++)
        put_pair(b, detail->field_violations[i]->field, detail->field_violations[i]->description);
}

static void put_precondition(struct brackets *b, const ProtobufCMessage *message)
{
    const Google__Rpc__PreconditionFailure *detail =
        (const Google__Rpc__PreconditionFailure *)message;
    for (size_t i = 0; i < detail->n_violations; i++)
        put_pair(b, detail->violations[i]->subject, detail->violations[i]->description);
}

static void put_quota(struct brackets *b, const ProtobufCMessage *message)
{
    const Google__Rpc__QuotaFailure *detail = (const Google__Rpc__QuotaFailure *)message;
    for (size_t i = 0; i < detail->n_violations; i++)
        put_pair(b, detail->violations[i]->subject, detail->violations[i]->description);
}

static void put_resource(struct brackets *b, const ProtobufCMessage *message)
{
    const Google__Rpc__ResourceInfo *detail = (const Google__Rpc__ResourceInfo *)message;
    next_piece(b);
    put(b, detail->resource_type);
    put(b, " ");
    put(b, detail->resource_name);
    if (*detail->description) {
        put(b, ": ");
        put(b, detail->description);
    }
}

static void put_retry(struct brackets *b, const ProtobufCMessage *message)
{
    const Google__Rpc__RetryInfo *detail = (const Google__Rpc__RetryInfo *)message;
    if (!detail->retry_delay || detail->retry_delay->seconds < 0 || detail->retry_delay->nanos < 0)
        return;
    next_piece(b);
    fprintf(b->out, "try again in %" PRId64, detail->retry_delay->seconds);
    if (detail->retry_delay->nanos >= 1000000)
        fprintf(b->out, ".%03" PRId32, detail->retry_delay->nanos / 1000000);
    put(b, " s");
}

static void put_request(struct brackets *b, const ProtobufCMessage *message)
{
    next_piece(b);
    put(b, "request ");
    put(b, ((const Google__Rpc__RequestInfo *)message)->request_id);
}

static void put_error(struct brackets *b, const ProtobufCMessage *message)
{
    const Google__Rpc__ErrorInfo *detail = (const Google__Rpc__ErrorInfo *)message;
    next_piece(b);
    put(b, "reason ");
    put(b, detail->reason);
    for (size_t i = 0; i < detail->n_metadata; i++) {
        put(b, " ");
        put(b, detail->metadata[i]->key);
        put(b, "=");
        put(b, detail->metadata[i]->value);
    }
}

static const struct {
    const ProtobufCMessageDescriptor *type;
    void (*put)(struct brackets *b, const ProtobufCMessage *message);
} printers[] = {
    {&google__rpc__bad_request__descriptor, put_bad_request},
    {&google__rpc__precondition_failure__descriptor, put_precondition},
    {&google__rpc__quota_failure__descriptor, put_quota},
    {&google__rpc__resource_info__descriptor, put_resource},
    {&google__rpc__retry_info__descriptor, put_retry},
    {&google__rpc__request_info__descriptor, put_request},
    {&google__rpc__error_info__descriptor, put_error},
};

static bool put_known(struct brackets *b, const char *type, const ProtobufCBinaryData *value)
{
    for (size_t i = 0; i < sizeof printers / sizeof *printers; i++) {
        if (strcmp(printers[i].type->name, type) != 0)
            continue;
        ProtobufCMessage *message =
            protobuf_c_message_unpack(printers[i].type, NULL, value->len, value->data);
        if (!message)
            return false;
        printers[i].put(b, message);
        protobuf_c_message_free_unpacked(message, NULL);
        return true;
    }
    return false;
}

static void put_detail(struct brackets *b, const Google__Protobuf__Any *detail)
{
    const char *slash = strrchr(detail->type_url, '/');
    const char *type = slash ? slash + 1 : detail->type_url;
    if (put_known(b, type, &detail->value))
        return;
    next_piece(b);
    put(b, "with a ");
    put(b, type);
}

void explain(FILE *out, const struct balances_answer *answer)
{
    fputs(err_grpc_name(answer->code), out);
    if (answer->message && *answer->message) {
        fputs(": ", out);
        text_print(out, answer->message, SIZE_MAX);
    }
    struct brackets b = {.out = out};
    for (size_t i = 0; answer->details && i < answer->details->n_details; i++)
        put_detail(&b, answer->details->details[i]);
    if (b.open)
        putc(']', out);
}

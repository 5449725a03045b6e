/* Setters that reach a field through its descriptor, so that five requests with the same fields
 * need them written once. Their values are allocated one by one, because protobuf-c frees them so.
 */
#include "client/fields_priv.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <balances/v1/balances.pb-c.h>
#include <google/protobuf/timestamp.pb-c.h>
#include <google/protobuf/wrappers.pb-c.h>

#include "client/memory.h"
#include "client/rfc3339.h"

void *field_member(ProtobufCMessage *message, unsigned offset)
{
    return (char *)message + offset;
}

enum err field_refuse(char **ret_allowed, const char *allowed)
{
    *ret_allowed = memory_text(allowed);
    return ERR_INVALID;
}

static void replace_text(char **at, char *text)
{
    if (*at != protobuf_c_empty_string)
        free(*at);
    *at = text;
}

ProtobufCMessage *field_message(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    const ProtobufCMessageDescriptor *type = field->descriptor;
    ProtobufCMessage **at = field_member(message, field->offset);
    if (!*at) {
        *at = memory_get(type->sizeof_message);
        protobuf_c_message_init(type, *at);
    }
    return *at;
}

enum err field_set_text(ProtobufCMessage *request, const ProtobufCFieldDescriptor *field,
                        const char *text, char **ret_allowed)
{
    if (!*text)
        return field_refuse(ret_allowed, "some text");
    replace_text(field_member(request, field->offset), memory_text(text));
    return ERR_OK;
}

enum err field_set_true(ProtobufCMessage *request, const ProtobufCFieldDescriptor *field,
                        const char *text, char **ret_allowed)
{
    (void)text, (void)ret_allowed;
    *(protobuf_c_boolean *)field_member(request, field->offset) = true;
    return ERR_OK;
}

enum err field_set_false(ProtobufCMessage *request, const ProtobufCFieldDescriptor *field,
                         const char *text, char **ret_allowed)
{
    (void)text, (void)ret_allowed;
    *(protobuf_c_boolean *)field_member(request, field->offset) = false;
    return ERR_OK;
}

enum err field_set_int32(ProtobufCMessage *request, const ProtobufCFieldDescriptor *field,
                         const char *text, char **ret_allowed)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    bool plain = *text == '-' || (*text >= '0' && *text <= '9');
    if (!plain || end == text || *end || errno || value < INT32_MIN || value > INT32_MAX)
        return field_refuse(ret_allowed, "a whole number of at most 32 bits, as in 25");
    *(int32_t *)field_member(request, field->offset) = (int32_t)value;
    return ERR_OK;
}

enum err field_set_int64(ProtobufCMessage *request, const ProtobufCFieldDescriptor *field,
                         const char *text, char **ret_allowed)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    bool plain = *text == '-' || (*text >= '0' && *text <= '9');
    if (!plain || end == text || *end || errno)
        return field_refuse(ret_allowed, "a whole number, as in 3");
    *(int64_t *)field_member(request, field->offset) = value;
    return ERR_OK;
}

enum err field_set_instant(ProtobufCMessage *request, const ProtobufCFieldDescriptor *field,
                           const char *text, char **ret_allowed)
{
    int64_t seconds;
    int32_t nanos;
    if (rfc3339_parse(text, &seconds, &nanos) != ERR_OK)
        return field_refuse(ret_allowed,
                            "a date, a time and an offset of the years 0001 to 9999, as in "
                            "2025-01-31T08:00:00Z or 2025-01-31T08:00:00.5+01:00");

    Google__Protobuf__Timestamp *at = (Google__Protobuf__Timestamp *)field_message(request, field);
    at->seconds = seconds;
    at->nanos = nanos;
    return ERR_OK;
}

/* How long the enum's prefix is: its zero is called <PREFIX>UNSPECIFIED. */
static size_t prefix_len(const ProtobufCEnumDescriptor *type)
{
    const char *zero = protobuf_c_enum_descriptor_get_value(type, 0)->name;
    return strlen(zero) - strlen("UNSPECIFIED");
}

static enum err parse_enum(const ProtobufCEnumDescriptor *type, const char *name, int *ret)
{
    for (unsigned i = 0; i < type->n_values; i++) {
        const ProtobufCEnumValue *value = &type->values[i];
        bool matches = strcasecmp(name, value->name) == 0 ||
                       strcasecmp(name, value->name + prefix_len(type)) == 0;
        if (matches && value->value != 0) {
            *ret = value->value;
            return ERR_OK;
        }
    }
    return ERR_INVALID;
}

static enum err refuse_enum(char **ret_allowed, const ProtobufCEnumDescriptor *type)
{
    size_t len = 0;
    FILE *out = open_memstream(ret_allowed, &len);
    if (!out)
        return field_refuse(ret_allowed, "a name of the enum");
    fputs("any of", out);
    for (unsigned i = 0; i < type->n_values; i++) {
        if (type->values[i].value != 0)
            fprintf(out, " %s", type->values[i].name + prefix_len(type));
    }
    fclose(out);
    return ERR_INVALID;
}

void *field_append(size_t *count, void *array, size_t size)
{
    void **at = array;
    *at = memory_grow(*at, (*count + 1) * size);
    return (char *)*at + size * (*count)++;
}

enum err field_add_enum_names(char *names, const ProtobufCEnumDescriptor *type, size_t *count,
                              void *array, char **ret_allowed)
{
    size_t before = *count;
    for (char *name; (name = strsep(&names, ","));) {
        int value;
        if (parse_enum(type, name, &value) != ERR_OK) {
            *count = before;
            return refuse_enum(ret_allowed, type);
        }
        *(int *)field_append(count, array, sizeof(int)) = value;
    }
    return ERR_OK;
}

enum err field_add_enums(ProtobufCMessage *request, const ProtobufCFieldDescriptor *field,
                         const char *text, char **ret_allowed)
{
    char *names = memory_text(text);
    enum err err = field_add_enum_names(names, field->descriptor,
                                        field_member(request, field->quantifier_offset),
                                        field_member(request, field->offset), ret_allowed);
    free(names);
    return err;
}

enum err field_set_mode(ProtobufCMessage *request, const ProtobufCFieldDescriptor *field,
                        const char *text, char **ret_allowed)
{
    Balances__V1__InvoiceInclusionMode *mode = field_member(request, field->offset);
    if (strcmp(text, "finalized") == 0)
        *mode = BALANCES__V1__INVOICE_INCLUSION_MODE__INVOICE_INCLUSION_MODE_FINALIZED;
    else if (strcmp(text, "all") == 0)
        *mode = BALANCES__V1__INVOICE_INCLUSION_MODE__INVOICE_INCLUSION_MODE_FINALIZED_AND_DRAFT;
    else
        return field_refuse(ret_allowed, "finalized or all");
    return ERR_OK;
}

enum err field_set_consistency(ProtobufCMessage *request, const ProtobufCFieldDescriptor *field,
                               const char *text, char **ret_allowed)
{
    static const char token[] = "token:";
    bool fresh = strcmp(text, "fresh") == 0;
    bool full = strcmp(text, "full") == 0;
    bool has_token = strncmp(text, token, strlen(token)) == 0 && text[strlen(token)];
    if (!fresh && !full && !has_token)
        return field_refuse(ret_allowed,
                            "fresh, full, or token: and the token of an earlier answer");

    Balances__V1__Consistency *set = memory_get(sizeof *set);
    balances__v1__consistency__init(set);
    if (fresh) {
        set->requirement_case = BALANCES__V1__CONSISTENCY__REQUIREMENT_MINIMIZE_LATENCY;
        set->minimize_latency = true;
    } else if (full) {
        set->requirement_case = BALANCES__V1__CONSISTENCY__REQUIREMENT_FULLY_CONSISTENT;
        set->fully_consistent = true;
    } else {
        set->requirement_case = BALANCES__V1__CONSISTENCY__REQUIREMENT_AT_LEAST_AS_FRESH;
        set->at_least_as_fresh = memory_text(text + strlen(token));
    }
    Balances__V1__Consistency **at = field_member(request, field->offset);
    if (*at)
        balances__v1__consistency__free_unpacked(*at, NULL);
    *at = set;
    return ERR_OK;
}

char **field_text(ProtobufCMessage *message, const char *name)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(message->descriptor, name);
    assert(field && field->type == PROTOBUF_C_TYPE_STRING);
    return field_member(message, field->offset);
}

void field_replace_text(ProtobufCMessage *message, const char *name, const char *text)
{
    replace_text(field_text(message, name), memory_text(text));
}

enum err field_set_double(ProtobufCMessage *request, const ProtobufCFieldDescriptor *field,
                          const char *text, char **ret_allowed)
{
    char *end;
    double value = strtod(text, &end);
    bool plain = *text == '-' || (*text >= '0' && *text <= '9');
    if (!plain || *end || !isfinite(value))
        return field_refuse(ret_allowed, "a number, as in 1.5");

    ((Google__Protobuf__DoubleValue *)field_message(request, field))->value = value;
    return ERR_OK;
}

enum err field_set_enum(ProtobufCMessage *request, const ProtobufCFieldDescriptor *field,
                        const char *text, char **ret_allowed)
{
    int value;
    if (parse_enum(field->descriptor, text, &value) != ERR_OK)
        return refuse_enum(ret_allowed, field->descriptor);
    *(int *)field_member(request, field->offset) = value;
    return ERR_OK;
}

enum err field_add_text(ProtobufCMessage *request, const ProtobufCFieldDescriptor *field,
                        const char *text, char **ret_allowed)
{
    if (!*text)
        return field_refuse(ret_allowed, "some text");
    char **at = field_append(field_member(request, field->quantifier_offset),
                             field_member(request, field->offset), sizeof *at);
    *at = memory_text(text);
    return ERR_OK;
}

enum err field_add_texts(ProtobufCMessage *request, const ProtobufCFieldDescriptor *field,
                         const char *text, char **ret_allowed)
{
    if (!*text || *text == ',' || strstr(text, ",,") || text[strlen(text) - 1] == ',')
        return field_refuse(ret_allowed, "texts separated by commas, none of them empty");
    char *copy = memory_text(text);
    char *rest = copy;
    enum err err = ERR_OK;
    for (char *one = strsep(&rest, ","); err == ERR_OK && one; one = strsep(&rest, ","))
        err = field_add_text(request, field, one, ret_allowed);
    free(copy);
    return err;
}

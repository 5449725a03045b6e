/* JSON from protobuf-c's descriptors.
 *
 * What the descriptors do not say is known from the names that protoc gives: a map is a repeated
 * message of its parent's, called <Field>Entry, with a key and a value. A message that means
 * something else than its fields (Timestamp, Duration, the wrappers) is looked up in a table by its
 * full name; where it holds what the mapping cannot express, its fields are printed instead. */
#include "client/json.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <google/protobuf/duration.pb-c.h>
#include <google/protobuf/timestamp.pb-c.h>

#include "client/memory.h"
#include "client/rfc3339.h"
#include "client/text.h"

struct json {
    FILE *out;
    int depth;
    bool fresh; /* nothing printed yet between the innermost brackets */
};

static void put_message(struct json *j, const ProtobufCMessage *message);

static void put_indent(struct json *j)
{
    fprintf(j->out, "\n%*s", 2 * j->depth, "");
}

static void open_bracket(struct json *j, char bracket)
{
    putc(bracket, j->out);
    j->depth++;
    j->fresh = true;
}

static void close_bracket(struct json *j, char bracket)
{
    j->depth--;
    if (!j->fresh)
        put_indent(j);
    putc(bracket, j->out);
    j->fresh = false;
}

static void next_item(struct json *j)
{
    if (!j->fresh)
        putc(',', j->out);
    put_indent(j);
    j->fresh = false;
}

static void put_string(struct json *j, const char *text)
{
    putc('"', j->out);
    while (text && *text) {
        uint32_t c = text_next(&text);
        if (c == '"' || c == '\\')
            fprintf(j->out, "\\%c", (int)c);
        else if (c == '\n')
            fputs("\\n", j->out);
        else if (c == '\r')
            fputs("\\r", j->out);
        else if (c == '\t')
            fputs("\\t", j->out);
        else if (c < 0x20 || (c >= 0x7F && c < 0xA0))
            fprintf(j->out, "\\u%04x", c);
        else
            text_put(j->out, c);
    }
    putc('"', j->out);
}

static void put_base64(struct json *j, const ProtobufCBinaryData *bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    putc('"', j->out);
    for (size_t i = 0; i < bytes->len; i += 3) {
        size_t len = bytes->len - i < 3 ? bytes->len - i : 3;
        uint32_t three = (uint32_t)bytes->data[i] << 16;
        if (len > 1)
            three |= (uint32_t)bytes->data[i + 1] << 8;
        if (len > 2)
            three |= bytes->data[i + 2];
        putc(digits[three >> 18], j->out);
        putc(digits[three >> 12 & 63], j->out);
        putc(len > 1 ? digits[three >> 6 & 63] : '=', j->out);
        putc(len > 2 ? digits[three & 63] : '=', j->out);
    }
    putc('"', j->out);
}

/* The fewest digits that read back as the same number. */
static void put_real(struct json *j, double value, bool single)
{
    if (isnan(value)) {
        fputs("\"NaN\"", j->out);
        return;
    }
    if (isinf(value)) {
        fputs(value > 0 ? "\"Infinity\"" : "\"-Infinity\"", j->out);
        return;
    }
    char text[40];
    for (int digits = single ? 6 : 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (single ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value)
            break;
    }
    fputs(text, j->out);
}

static void put_enum(struct json *j, const ProtobufCEnumDescriptor *type, int number)
{
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(type, number);
    if (value)
        put_string(j, value->name);
    else
        fprintf(j->out, "%d", number);
}

static size_t size_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_ENUM:
        return 4;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_STRING:
        return sizeof(char *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(ProtobufCMessage *);
    }
    abort();
}

/* `at` points to one value of the field's type, wherever it is kept. */
static void put_value(struct json *j, const ProtobufCFieldDescriptor *field, const void *at)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        fprintf(j->out, "%" PRId32, *(const int32_t *)at);
        break;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        fprintf(j->out, "%" PRIu32, *(const uint32_t *)at);
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        fprintf(j->out, "\"%" PRId64 "\"", *(const int64_t *)at);
        break;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        fprintf(j->out, "\"%" PRIu64 "\"", *(const uint64_t *)at);
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        put_real(j, (double)*(const float *)at, true);
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        put_real(j, *(const double *)at, false);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        fputs(*(const protobuf_c_boolean *)at ? "true" : "false", j->out);
        break;
    case PROTOBUF_C_TYPE_ENUM:
        put_enum(j, field->descriptor, *(const int *)at);
        break;
    case PROTOBUF_C_TYPE_STRING:
        put_string(j, *(char *const *)at);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        put_base64(j, at);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        put_message(j, *(ProtobufCMessage *const *)at);
        break;
    }
}

static const void *member(const ProtobufCMessage *message, unsigned offset)
{
    return (const char *)message + offset;
}

static bool has_default(const ProtobufCFieldDescriptor *field, const void *at)
{
    static const char zero[8];
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        return !*(char *const *)at || !**(char *const *)at;
    case PROTOBUF_C_TYPE_BYTES:
        return ((const ProtobufCBinaryData *)at)->len == 0;
    case PROTOBUF_C_TYPE_MESSAGE:
        return !*(ProtobufCMessage *const *)at;
    default:
        return memcmp(at, zero, size_of(field->type)) == 0;
    }
}

static bool is_shown(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return *(const size_t *)member(message, field->quantifier_offset) > 0;
    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
        return *(const uint32_t *)member(message, field->quantifier_offset) == field->id;
    return !has_default(field, member(message, field->offset));
}

static void put_name(struct json *j, const char *name)
{
    putc('"', j->out);
    bool upper = false;
    for (; *name; name++) {
        if (*name != '_')
            putc(upper ? toupper((unsigned char)*name) : *name, j->out);
        upper = *name == '_';
    }
    fputs("\": ", j->out);
}

/* "custom_fields" of Commit is a map if its message is "….Commit.CustomFieldsEntry". */
static bool is_map(const ProtobufCMessageDescriptor *parent, const ProtobufCFieldDescriptor *field)
{
    if (field->label != PROTOBUF_C_LABEL_REPEATED || field->type != PROTOBUF_C_TYPE_MESSAGE)
        return false;
    const char *entry = ((const ProtobufCMessageDescriptor *)field->descriptor)->name;
    size_t parent_len = strlen(parent->name);
    if (strncmp(entry, parent->name, parent_len) != 0 || entry[parent_len] != '.')
        return false;
    entry += parent_len + 1;
    bool upper = true;
    for (const char *c = field->name; *c; c++) {
        if (*c != '_' && *entry++ != (upper ? toupper((unsigned char)*c) : *c))
            return false;
        upper = *c == '_';
    }
    return strcmp(entry, "Entry") == 0;
}

static const ProtobufCFieldDescriptor *key_field(const ProtobufCMessage *entry)
{
    return protobuf_c_message_descriptor_get_field(entry->descriptor, 1);
}

static int compare_keys(const ProtobufCMessage *a, const ProtobufCMessage *b)
{
    const ProtobufCFieldDescriptor *key = key_field(a);
    const void *key_a = member(a, key->offset);
    const void *key_b = member(b, key->offset);
    if (key->type == PROTOBUF_C_TYPE_STRING)
        return strcmp(*(char *const *)key_a, *(char *const *)key_b);
    return memcmp(key_a, key_b, size_of(key->type));
}

struct map_item {
    const ProtobufCMessage *entry;
    size_t position;
};

static int compare_items(const void *a, const void *b)
{
    const struct map_item *x = a;
    const struct map_item *y = b;
    int order = compare_keys(x->entry, y->entry);
    return order ? order : x->position < y->position ? -1 : 1;
}

/* JSON's keys are strings. */
static void put_key(struct json *j, const ProtobufCMessage *entry)
{
    const ProtobufCFieldDescriptor *key = key_field(entry);
    bool quoted = key->type == PROTOBUF_C_TYPE_STRING || size_of(key->type) == 8;
    if (!quoted)
        putc('"', j->out);
    put_value(j, key, member(entry, key->offset));
    fputs(quoted ? ": " : "\": ", j->out);
}

/* Of two entries with one key, the later is the map's. */
static void put_map(struct json *j, ProtobufCMessage *const *entries, size_t count)
{
    struct map_item *items = memory_get(count * sizeof *items);
    for (size_t i = 0; i < count; i++)
        items[i] = (struct map_item){entries[i], i};
    qsort(items, count, sizeof *items, compare_items);

    open_bracket(j, '{');
    for (size_t i = 0; i < count; i++) {
        if (i + 1 < count && compare_keys(items[i].entry, items[i + 1].entry) == 0)
            continue;
        const ProtobufCFieldDescriptor *value =
            protobuf_c_message_descriptor_get_field(items[i].entry->descriptor, 2);
        next_item(j);
        put_key(j, items[i].entry);
        put_value(j, value, member(items[i].entry, value->offset));
    }
    close_bracket(j, '}');
    free(items);
}

static void put_repeated(struct json *j, const ProtobufCFieldDescriptor *field, const void *values,
                         size_t count)
{
    open_bracket(j, '[');
    for (size_t i = 0; i < count; i++) {
        next_item(j);
        put_value(j, field, (const char *)values + i * size_of(field->type));
    }
    close_bracket(j, ']');
}

static void put_field(struct json *j, const ProtobufCMessage *message,
                      const ProtobufCFieldDescriptor *field)
{
    const void *at = member(message, field->offset);
    put_name(j, field->name);
    if (field->label != PROTOBUF_C_LABEL_REPEATED) {
        put_value(j, field, at);
        return;
    }
    size_t count = *(const size_t *)member(message, field->quantifier_offset);
    if (is_map(message->descriptor, field))
        put_map(j, *(ProtobufCMessage *const *const *)at, count);
    else
        put_repeated(j, field, *(const void *const *)at, count);
}

static bool put_timestamp(struct json *j, const ProtobufCMessage *message)
{
    const Google__Protobuf__Timestamp *t = (const Google__Protobuf__Timestamp *)message;
    if (!rfc3339_in_range(t->seconds, t->nanos))
        return false;
    put_string(j, rfc3339_format(t->seconds, t->nanos).text);
    return true;
}

static bool put_duration(struct json *j, const ProtobufCMessage *message)
{
    const Google__Protobuf__Duration *d = (const Google__Protobuf__Duration *)message;
    if (d->nanos <= -1000000000 || d->nanos >= 1000000000 || d->seconds == INT64_MIN)
        return false;
    bool negative = d->seconds < 0 || d->nanos < 0;
    fprintf(j->out, "\"%s%" PRId64, negative ? "-" : "", d->seconds < 0 ? -d->seconds : d->seconds);
    int nanos = d->nanos < 0 ? -d->nanos : d->nanos;
    if (nanos % 1000000 == 0 && nanos)
        fprintf(j->out, ".%03d", nanos / 1000000);
    else if (nanos % 1000 == 0 && nanos)
        fprintf(j->out, ".%06d", nanos / 1000);
    else if (nanos)
        fprintf(j->out, ".%09d", nanos);
    fputs("s\"", j->out);
    return true;
}

static bool put_wrapped(struct json *j, const ProtobufCMessage *message)
{
    const ProtobufCFieldDescriptor *value =
        protobuf_c_message_descriptor_get_field(message->descriptor, 1);
    put_value(j, value, member(message, value->offset));
    return true;
}

/* Messages with a form of their own. False: it has none for this value. */
static const struct {
    const char *name;
    bool (*put)(struct json *j, const ProtobufCMessage *message);
} special_forms[] = {
    {"google.protobuf.Timestamp", put_timestamp}, {"google.protobuf.Duration", put_duration},
    {"google.protobuf.DoubleValue", put_wrapped}, {"google.protobuf.FloatValue", put_wrapped},
    {"google.protobuf.Int64Value", put_wrapped},  {"google.protobuf.UInt64Value", put_wrapped},
    {"google.protobuf.Int32Value", put_wrapped},  {"google.protobuf.UInt32Value", put_wrapped},
    {"google.protobuf.BoolValue", put_wrapped},   {"google.protobuf.StringValue", put_wrapped},
    {"google.protobuf.BytesValue", put_wrapped},
};

static bool put_special(struct json *j, const ProtobufCMessage *message)
{
    for (size_t i = 0; i < sizeof special_forms / sizeof *special_forms; i++) {
        if (strcmp(message->descriptor->name, special_forms[i].name) == 0)
            return special_forms[i].put(j, message);
    }
    return false;
}

static void put_message(struct json *j, const ProtobufCMessage *message)
{
    if (!message) { /* a map's value that was left out is an empty message */
        fputs("{}", j->out);
        return;
    }
    if (put_special(j, message))
        return;
    open_bracket(j, '{');
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        if (!is_shown(message, field))
            continue;
        next_item(j);
        put_field(j, message, field);
    }
    close_bracket(j, '}');
}

void json_print(FILE *out, const ProtobufCMessage *message)
{
    struct json j = {.out = out};
    put_message(&j, message);
    putc('\n', out);
}

#include "rpc/wire.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/utf8.h"

enum wire_type { VARINT = 0, FIXED64 = 1, LENGTH = 2, GROUP_START = 3, GROUP_END = 4, FIXED32 = 5 };

/* Keys and lengths are numbers of 32 bits, and a longer spelling of them is not read by anyone. */
enum { VARINT_BYTES_MAX = 10, SHORT_VARINT_BYTES_MAX = 5, FIELD_NUMBER_MAX = (1 << 29) - 1 };

struct scan {
    int unknown;
    int depth;
    struct wire_problem *problem;
};

static enum err malformed(struct scan *s, const char *description)
{
    s->problem->description = description;
    return ERR_INVALID;
}

static bool take_varint(struct bytes *in, size_t bytes_max, uint64_t *ret)
{
    uint64_t value = 0;

    for (size_t i = 0; i < in->len && i < bytes_max; i++) {
        value |= (uint64_t)(in->data[i] & 0x7f) << (7 * i);
        if (in->data[i] < 0x80) {
            *in = bytes_of(in->data + i + 1, in->len - i - 1);
            *ret = value;
            return true;
        }
    }
    return false;
}

static bool skip(struct bytes *in, uint64_t len)
{
    if (len > in->len)
        return false;
    *in = bytes_of(in->data + len, in->len - (size_t)len);
    return true;
}

static enum wire_type wire_type_of(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return LENGTH;
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return FIXED32;
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return FIXED64;
    default:
        return VARINT;
    }
}

static bool fits(const ProtobufCFieldDescriptor *field, enum wire_type type)
{
    enum wire_type expected = wire_type_of(field);

    return type == expected ||
           (type == LENGTH && expected != LENGTH && field->label == PROTOBUF_C_LABEL_REPEATED);
}

/* Names the field in the path while it is looked at, and takes the name away when it was good. */
static size_t enter(struct scan *s, const char *name)
{
    size_t len = strlen(s->problem->field);

    if (*name)
        snprintf(s->problem->field + len, sizeof s->problem->field - len, "%s%s", len ? "." : "",
                 name);
    return len;
}

static enum err check_message(struct scan *s, struct bytes in,
                              const ProtobufCMessageDescriptor *type);

/* Numbers of a repeated field, one after the other. */
static enum err check_packed(struct scan *s, struct bytes values, enum wire_type each)
{
    uint64_t number;
    bool whole = true;

    while (whole && values.len > 0) {
        if (each == VARINT)
            whole = take_varint(&values, VARINT_BYTES_MAX, &number);
        else
            whole = skip(&values, each == FIXED64 ? 8 : 4);
    }
    return whole ? ERR_OK : malformed(s, "ends in the middle of a value");
}

static enum err check_value(struct scan *s, struct bytes value,
                            const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        if (memchr(value.data, '\0', value.len))
            return malformed(s, "must not contain a zero byte");
        if (!utf8_is_valid(value))
            return malformed(s, "must be valid UTF-8");
        return ERR_OK;
    case PROTOBUF_C_TYPE_MESSAGE:
        if (s->depth == MESSAGE_DEPTH_MAX)
            return malformed(s, "is nested too deeply");
        return check_message(s, value, field->descriptor);
    case PROTOBUF_C_TYPE_BYTES:
        return ERR_OK;
    default:
        return check_packed(s, value, wire_type_of(field));
    }
}

static enum err check_field(struct scan *s, struct bytes *in, enum wire_type type,
                            const ProtobufCFieldDescriptor *field)
{
    struct bytes value;
    uint64_t number = 0;
    bool whole = true;

    switch (type) {
    case VARINT:
        whole = take_varint(in, VARINT_BYTES_MAX, &number);
        break;
    case FIXED64:
        whole = skip(in, 8);
        break;
    case FIXED32:
        whole = skip(in, 4);
        break;
    case LENGTH:
        whole = take_varint(in, SHORT_VARINT_BYTES_MAX, &number);
        value = *in;
        whole = whole && skip(in, number);
        if (whole && field) {
            value.len = (size_t)number;
            return check_value(s, value, field);
        }
        break;
    case GROUP_START:
    case GROUP_END:
        return malformed(s, "has a group, which this protocol does not use");
    default:
        return malformed(s, "has a wire type that does not exist");
    }
    return whole ? ERR_OK : malformed(s, "ends in the middle of a field");
}

/* A message that comes again would have to be merged with itself, which no client asks for, and
 * which protobuf-c does not do right: an empty oneof in both makes it fail. */
static bool comes_again(const ProtobufCMessageDescriptor *type,
                        const ProtobufCFieldDescriptor *field, uint64_t *seen)
{
    uint64_t bit = UINT64_C(1) << (field - type->fields);

    if (field->type != PROTOBUF_C_TYPE_MESSAGE || field->label == PROTOBUF_C_LABEL_REPEATED)
        return false;
    bool again = *seen & bit;
    *seen |= bit;
    return again;
}

static enum err check_message(struct scan *s, struct bytes in,
                              const ProtobufCMessageDescriptor *type)
{
    uint64_t key, seen = 0;

    assert(type->n_fields <= 64);
    s->depth++;
    while (in.len > 0) {
        if (!take_varint(&in, SHORT_VARINT_BYTES_MAX, &key))
            return malformed(s, "is not a protocol buffer message");
        if (key >> 3 == 0 || key >> 3 > FIELD_NUMBER_MAX)
            return malformed(s, "has an impossible field number");
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(type, (unsigned)(key >> 3));
        enum wire_type wire_type = (enum wire_type)(key & 7);
        size_t path = enter(s, field ? field->name : "");
        if (!field && ++s->unknown > UNKNOWN_FIELDS_MAX)
            return malformed(s, "has too many fields that this server does not know");
        if (field && !fits(field, wire_type))
            return malformed(s, "has the wire type of another kind of field");
        if (field && comes_again(type, field, &seen))
            return malformed(s, "must not come twice");
        enum err err = check_field(s, &in, wire_type, field);
        if (err != ERR_OK)
            return err;
        s->problem->field[path] = '\0';
    }
    s->depth--;
    return ERR_OK;
}

enum err wire_check(struct bytes message, const ProtobufCMessageDescriptor *type,
                    struct wire_problem *ret)
{
    struct scan scan = {.problem = ret};

    ret->field[0] = '\0';
    ret->description = "";
    return check_message(&scan, message, type);
}

static void *allocate(void *arena, size_t size)
{
    return arena_raw(arena, size);
}

static void free_nothing(void *arena, void *memory)
{
    (void)arena;
    (void)memory;
}

ProtobufCAllocator wire_allocator(struct arena *a)
{
    return (ProtobufCAllocator){allocate, free_nothing, a};
}

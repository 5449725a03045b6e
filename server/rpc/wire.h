/* Looks at a request's bytes before protobuf-c does, which trusts them too much: it cuts texts at a
 * zero byte, takes any bytes for text, follows nested messages without end, and keeps every field
 * that it does not know. Pure. */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"

struct wire_problem {
    char field[96]; /* path of the field, "filters.ids"; empty if the whole message is malformed */
    const char *description;
};

/* ERR_INVALID with the first problem found. What passes is well-formed, with all known fields of
 * the right wire type, no message twice where there is room for one, all texts valid UTF-8 without
 * zero bytes, few unknown fields, and little depth: protobuf-c takes it. */
MUST_CHECK enum err wire_check(struct bytes message, const ProtobufCMessageDescriptor *type,
                               struct wire_problem *ret);

/* For protobuf-c: memory from an arena, which is given back with it. */
ProtobufCAllocator wire_allocator(struct arena *a);

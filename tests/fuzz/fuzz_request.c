/* Any bytes as a request, on the way that a request takes: wire_check(), then protobuf-c with the
 * call's arena. What the first lets pass the second takes, unless the arena is full; every text in
 * it is whole and valid UTF-8; and packed again it is as it was.
 *
 * The first byte chooses the type and, if its highest bit is set, a short arena, of which the
 * second says how much is left. */
#include <grpc/health/v1/health.pb-c.h>
#include <grpc/reflection/v1/reflection.pb-c.h>
#include <stdlib.h>

#include <balances/v1/balances.pb-c.h>

#include "base/limits.h"
#include "base/utf8.h"
#include "rpc/call.h"
#include "rpc/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const ProtobufCMessageDescriptor *const types[] = {
    &balances__v1__list_balances_request__descriptor,
    &balances__v1__list_credits_request__descriptor,
    &balances__v1__list_commits_request__descriptor,
    &balances__v1__get_net_balance_request__descriptor,
    &balances__v1__list_ledger_entries_request__descriptor,
    &grpc__health__v1__health_check_request__descriptor,
    &grpc__reflection__v1__server_reflection_request__descriptor,
};

enum { HEAD_BYTES = 2, SHORT_ARENA = 0x80, TYPE_COUNT = sizeof types / sizeof *types };

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* Whether some bytes before `at` are a length, however it is spelt. */
static bool has_length(const uint8_t *start, const uint8_t *at, size_t len)
{
    uint64_t value = 0;

    if (at == start || at[-1] >= 0x80)
        return false;
    for (const uint8_t *digit = at - 1;; digit--) {
        value = value << 7 | (*digit & 0x7f);
        if (value == len)
            return true;
        if (digit == start || at - digit == 5 || digit[-1] < 0x80)
            return false;
    }
}

/* It lies in the request, with its own length before it. */
static bool is_whole(struct bytes request, const char *text)
{
    const uint8_t *at = request.data, *end = request.data + request.len;
    size_t len = strlen(text);

    for (; (at = memmem(at, (size_t)(end - at), text, len)); at++) {
        if (has_length(request.data, at, len))
            return true;
    }
    return false;
}

static void check_text(struct bytes request, const char *text)
{
    require(utf8_is_valid(bytes_text(text)));
    require(!*text || is_whole(request, text));
}

static void check_message(struct bytes request, const ProtobufCMessage *m);

static void check_member(struct bytes request, const ProtobufCFieldDescriptor *field,
                         const void *member)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        check_text(request, *(const char *const *)member);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        if (*(const ProtobufCMessage *const *)member)
            check_message(request, *(const ProtobufCMessage *const *)member);
        break;
    default:
        break;
    }
}

static void check_message(struct bytes request, const ProtobufCMessage *m)
{
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &m->descriptor->fields[i];
        const char *member = (const char *)m + field->offset;
        const char *quantifier = (const char *)m + field->quantifier_offset;
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            size_t count = *(const size_t *)quantifier;
            bool pointers =
                field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE;
            for (size_t j = 0; pointers && j < count; j++)
                check_member(request, field, *(const char *const *)member + j * sizeof(void *));
        } else if (!(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) ||
                   *(const uint32_t *)quantifier == field->id) {
            check_member(request, field, member);
        }
    }
}

static void check_packs_again(const ProtobufCMessage *m)
{
    struct wire_problem problem;
    size_t len = protobuf_c_message_get_packed_size(m);
    uint8_t *packed = malloc(len + 1);
    uint8_t *again = malloc(len + 1);

    require(packed && again);
    require(protobuf_c_message_pack(m, packed) == len);
    require(wire_check(bytes_of(packed, len), m->descriptor, &problem) == ERR_OK);
    ProtobufCMessage *same = protobuf_c_message_unpack(m->descriptor, NULL, len, packed);
    require(same && protobuf_c_message_get_packed_size(same) == len);
    require(protobuf_c_message_pack(same, again) == len && memcmp(packed, again, len) == 0);
    protobuf_c_message_free_unpacked(same, NULL);
    free(packed);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena_pool pool;
    struct call call = {0};
    struct wire_problem problem;

    if (size < HEAD_BYTES || size > REQUEST_BYTES_MAX)
        return 0;
    const ProtobufCMessageDescriptor *type = types[(data[0] & ~SHORT_ARENA) % TYPE_COUNT];
    struct bytes request = bytes_of(data + HEAD_BYTES, size - HEAD_BYTES);
    if (wire_check(request, type, &problem) != ERR_OK) {
        require(memchr(problem.field, '\0', sizeof problem.field) && *problem.description);
        return 0;
    }

    arena_pool_init(&pool, ARENA_POOL_BYTES_MAX);
    if (data[0] & SHORT_ARENA) {
        arena_init(&call.arena, &pool, ARENA_CHUNK_BYTES);
        while (!call.arena.at || call.arena.end - call.arena.at > data[1] * 16)
            require(arena_raw(&call.arena, 1));
    } else {
        arena_init(&call.arena, &pool, ARENA_BYTES_MAX);
    }
    ProtobufCAllocator allocator = call_allocator(&call);
    ProtobufCMessage *m = protobuf_c_message_unpack(type, &allocator, request.len, request.data);
    require(m || call.arena.full);
    require(!call.arena.full || data[0] & SHORT_ARENA);
    if (m && !call.arena.full) {
        check_message(request, m);
        check_packs_again(m);
    }
    arena_reset(&call.arena);
    arena_pool_done(&pool);
    return 0;
}

#include "app/tokens.h"

#include "app/fields.h"

const struct place place_first = {.at = INT64_C(-62167219200000000)};

/* Their lengths differ, and so do their purposes. */
enum { VERSION_BYTES = 8, PLACE_BYTES = 8 + 1 + 16 };

static void put(uint8_t *out, uint64_t value)
{
    for (int i = 7; i >= 0; i--, value >>= 8)
        out[i] = (uint8_t)value;
}

static int64_t get(const uint8_t *in)
{
    uint64_t value = 0;

    for (int i = 0; i < 8; i++)
        value = value << 8 | in[i];
    return (int64_t)value;
}

static const struct seal_key *key_of(const struct call *c)
{
    const struct app *app = call_app(c);

    return pool_key(app->pool);
}

static struct bytes id_bytes(const struct id *id)
{
    return bytes_of(id->bytes, sizeof id->bytes);
}

enum err freshness_read(struct call *c, const Balances__V1__Consistency *consistency,
                        const struct id *customer, struct freshness *ret)
{
    const struct seal_key *key = key_of(c);
    uint8_t payload[VERSION_BYTES];

    *ret = (struct freshness){0};
    ret->fully =
        consistency &&
        consistency->requirement_case == BALANCES__V1__CONSISTENCY__REQUIREMENT_FULLY_CONSISTENT &&
        consistency->fully_consistent;
    if (!consistency ||
        consistency->requirement_case != BALANCES__V1__CONSISTENCY__REQUIREMENT_AT_LEAST_AS_FRESH)
        return ERR_OK;
    if (!key)
        return ERR_UNAVAILABLE;
    if (seal_open(key, "consistency", id_bytes(customer), consistency->at_least_as_fresh, payload,
                  sizeof payload) != ERR_OK) {
        field_wrong(c, "consistency.at_least_as_fresh",
                    "is not a token that this service gave for this customer");
        return ERR_OK;
    }
    ret->has_token = true;
    ret->at_least = get(payload);
    return ERR_OK;
}

bool freshness_holds(struct call *c, const struct freshness *f, int64_t version)
{
    if (!f->has_token || version >= f->at_least)
        return true;
    field_wrong(c, "consistency.at_least_as_fresh",
                "names a state that the ledger has not reached: it is from another database");
    return false;
}

void consistency_token_make(const struct seal_key *key, const struct id *customer, int64_t version,
                            char ret[static SEAL_TEXT_MAX])
{
    uint8_t payload[VERSION_BYTES];

    put(payload, (uint64_t)version);
    seal_make(key, "consistency", id_bytes(customer), bytes_of(payload, sizeof payload), ret);
}

char *consistency_token(const struct seal_key *key, struct arena *a, const struct id *customer,
                        int64_t version)
{
    char text[SEAL_TEXT_MAX];

    consistency_token_make(key, customer, version, text);
    return arena_text(a, bytes_text(text));
}

struct bytes page_binding(struct call *c, char **next_page, Balances__V1__Consistency **consistency)
{
    char *token = *next_page;
    Balances__V1__Consistency *level = *consistency;
    const size_t path_len = strlen(c->method->path) + 1;

    *next_page = NULL;
    *consistency = NULL;
    size_t len = protobuf_c_message_get_packed_size(c->request);
    uint8_t *out = arena_raw(&c->arena, path_len + len);
    if (out) {
        memcpy(out, c->method->path, path_len);
        protobuf_c_message_pack(c->request, out + path_len);
    }
    *next_page = token;
    *consistency = level;
    return bytes_of(out, path_len + len);
}

char *page_token(const struct seal_key *key, struct arena *a, struct bytes binding,
                 const struct place *place)
{
    uint8_t payload[PLACE_BYTES];
    char text[SEAL_TEXT_MAX];

    put(payload, (uint64_t)place->at);
    payload[8] = (uint8_t)place->rank;
    memcpy(payload + 9, place->id.bytes, sizeof place->id.bytes);
    seal_make(key, "page", binding, bytes_of(payload, sizeof payload), text);
    return arena_text(a, bytes_text(text));
}

enum err page_read(struct call *c, struct bytes binding, const char *token, struct place *ret)
{
    const struct seal_key *key = key_of(c);
    uint8_t payload[PLACE_BYTES];

    if (!key)
        return ERR_UNAVAILABLE;
    /* A newer release, with the same key, may have ranks that this one has not. */
    if (seal_open(key, "page", binding, token, payload, sizeof payload) != ERR_OK ||
        payload[8] >= ENTRY_TYPE_COUNT) {
        field_wrong(c, "next_page",
                    "is not a token of this list: pass it as it came, with all other fields "
                    "unchanged");
        return ERR_OK;
    }
    ret->at = get(payload);
    ret->rank = payload[8];
    memcpy(ret->id.bytes, payload + 9, sizeof ret->id.bytes);
    return ERR_OK;
}

#include "cache/entry.h"

#include <assert.h>
#include <endian.h>
#include <xxhash.h>

enum { AT_FORMAT = 8, AT_LEN = 12, AT_CUSTOMER = 16, AT_HASH = 32, AT_VERSION = 48, AT_VALID = 56 };

static void put_u32(uint8_t *at, uint32_t value)
{
    value = htole32(value);
    memcpy(at, &value, sizeof value);
}

static void put_u64(uint8_t *at, uint64_t value)
{
    value = htole64(value);
    memcpy(at, &value, sizeof value);
}

static uint32_t get_u32(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof value);
    return le32toh(value);
}

static uint64_t get_u64(const uint8_t *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof value);
    return le64toh(value);
}

static uint64_t checksum(struct bytes in)
{
    return XXH3_64bits(in.data + AT_FORMAT, in.len - AT_FORMAT);
}

struct entry_name entry_name(const struct id *customer, const char method[static 5],
                             const uint8_t request[static 16])
{
    struct entry_name name = {.customer = *customer};
    uint8_t both[5 + 16];
    XXH128_canonical_t canonical;

    memcpy(both, method, 5);
    memcpy(both + 5, request, 16);
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(both, sizeof both));
    memcpy(name.hash, canonical.digest, sizeof name.hash);
    return name;
}

void entry_encode(const struct entry_name *name, const struct entry_value *entry, uint8_t *ret)
{
    assert(entry->answer.len <= UINT32_MAX);
    put_u32(ret + AT_FORMAT, ENTRY_FORMAT);
    put_u32(ret + AT_LEN, (uint32_t)entry->answer.len);
    memcpy(ret + AT_CUSTOMER, name->customer.bytes, sizeof name->customer.bytes);
    memcpy(ret + AT_HASH, name->hash, sizeof name->hash);
    put_u64(ret + AT_VERSION, (uint64_t)entry->version);
    put_u64(ret + AT_VALID, (uint64_t)entry->valid_until);
    if (entry->answer.len > 0)
        memcpy(ret + ENTRY_HEADER_BYTES, entry->answer.data, entry->answer.len);
    put_u64(ret, checksum(bytes_of(ret, ENTRY_HEADER_BYTES + entry->answer.len)));
}

enum err entry_decode(const struct entry_name *name, struct bytes in, struct entry_value *ret)
{
    if (in.len < ENTRY_HEADER_BYTES || get_u64(in.data) != checksum(in) ||
        get_u32(in.data + AT_FORMAT) != ENTRY_FORMAT ||
        get_u32(in.data + AT_LEN) != in.len - ENTRY_HEADER_BYTES ||
        memcmp(in.data + AT_CUSTOMER, name->customer.bytes, sizeof name->customer.bytes) != 0 ||
        memcmp(in.data + AT_HASH, name->hash, sizeof name->hash) != 0)
        return ERR_INVALID;
    *ret = (struct entry_value){
        .version = (int64_t)get_u64(in.data + AT_VERSION),
        .valid_until = (instant)get_u64(in.data + AT_VALID),
        .answer = bytes_of(in.data + ENTRY_HEADER_BYTES, in.len - ENTRY_HEADER_BYTES),
    };
    return ERR_OK;
}

#include "base/digest.h"

#include <assert.h>
#include <openssl/evp.h>
#include <string.h>

struct digest digest_of(struct bytes in)
{
    struct digest ret;
    unsigned len = sizeof ret.bytes;
    int ok = EVP_Digest(in.data, in.len, ret.bytes, &len, EVP_sha256(), NULL);

    assert(ok == 1 && len == sizeof ret.bytes);
    return ret;
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
    uint64_t x[DIGEST_BYTES / sizeof(uint64_t)], y[DIGEST_BYTES / sizeof(uint64_t)];
    uint64_t difference = 0;

    memcpy(x, a->bytes, sizeof x);
    memcpy(y, b->bytes, sizeof y);
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        difference |= x[i] ^ y[i];
    return difference == 0;
}

static int hex_value(uint8_t digit)
{
    static const char digits[] = "0123456789abcdef";
    const char *at =
        digit ? strchr(digits, digit >= 'A' && digit <= 'F' ? digit | 0x20 : digit) : NULL;

    return at ? (int)(at - digits) : -1;
}

enum err digest_parse(struct bytes hex, struct digest *ret)
{
    struct digest d;

    if (hex.len != (size_t)2 * DIGEST_BYTES)
        return ERR_INVALID;
    for (int i = 0; i < DIGEST_BYTES; i++) {
        int high = hex_value(hex.data[2 * i]), low = hex_value(hex.data[2 * i + 1]);
        if (high < 0 || low < 0)
            return ERR_INVALID;
        d.bytes[i] = (uint8_t)(high << 4 | low);
    }
    *ret = d;
    return ERR_OK;
}

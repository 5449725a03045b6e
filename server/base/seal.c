/* HMAC-SHA256, cut to 16 bytes, over the hashes of purpose and bound, then the payload. The first
 * two have a fixed length, so that no two different triples read the same. */
#include "base/seal.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "base/digest.h"

enum { MAC_BYTES = 16 };

static_assert((SEAL_PAYLOAD_MAX + MAC_BYTES + 2) / 3 * 4 + 1 <= SEAL_TEXT_MAX, "text too short");

static void mac(const struct seal_key *key, const char *purpose, struct bytes bound,
                struct bytes payload, uint8_t ret[static MAC_BYTES])
{
    uint8_t text[2 * DIGEST_BYTES + SEAL_PAYLOAD_MAX];
    struct digest parts[2] = {digest_of(bytes_text(purpose)), digest_of(bound)};
    uint8_t full[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    assert(payload.len <= SEAL_PAYLOAD_MAX);
    memcpy(text, parts, sizeof parts);
    memcpy(text + sizeof parts, payload.data, payload.len);
    const uint8_t *ok = HMAC(EVP_sha256(), key->bytes, sizeof key->bytes, text,
                             sizeof parts + payload.len, full, &len);
    assert(ok && len >= MAC_BYTES);
    memcpy(ret, full, MAC_BYTES);
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void seal_make(const struct seal_key *key, const char *purpose, struct bytes bound,
               struct bytes payload, char ret[static SEAL_TEXT_MAX])
{
    uint8_t raw[SEAL_PAYLOAD_MAX + MAC_BYTES];
    size_t len = payload.len + MAC_BYTES;
    unsigned bits = 0, held = 0;

    assert(payload.len <= SEAL_PAYLOAD_MAX);
    memcpy(raw, payload.data, payload.len);
    mac(key, purpose, bound, payload, raw + payload.len);
    for (size_t i = 0; i < len; i++) {
        bits = bits << 8 | raw[i];
        for (held += 8; held >= 6; held -= 6)
            *ret++ = alphabet[bits >> (held - 6) & 63];
    }
    if (held > 0)
        *ret++ = alphabet[bits << (6 - held) & 63];
    *ret = '\0';
}

enum err seal_open(const struct seal_key *key, const char *purpose, struct bytes bound,
                   const char *text, uint8_t *ret_payload, size_t payload_len)
{
    uint8_t raw[SEAL_PAYLOAD_MAX + MAC_BYTES], expected[MAC_BYTES];
    size_t len = payload_len + MAC_BYTES, at = 0;
    unsigned bits = 0, held = 0;

    assert(payload_len <= SEAL_PAYLOAD_MAX);
    if (strlen(text) != (len * 8 + 5) / 6)
        return ERR_INVALID;
    for (; *text; text++) {
        const char *digit = strchr(alphabet, *text);
        if (!digit)
            return ERR_INVALID;
        bits = bits << 6 | (unsigned)(digit - alphabet);
        held += 6;
        if (held >= 8) {
            held -= 8;
            raw[at++] = (uint8_t)(bits >> held);
        }
    }
    /* The last digit's spare bits are zero, so that a token has one spelling. */
    if (at != len || (bits & ((1u << held) - 1)) != 0)
        return ERR_INVALID;
    mac(key, purpose, bound, bytes_of(raw, payload_len), expected);
    if (CRYPTO_memcmp(expected, raw + payload_len, MAC_BYTES) != 0)
        return ERR_INVALID;
    memcpy(ret_payload, raw, payload_len);
    return ERR_OK;
}

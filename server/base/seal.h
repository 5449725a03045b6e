/* Opaque tokens: a few bytes for ourselves, in URL-safe text, that nobody else can make or change.
 * They are not secret and grant nothing; the seal tells our own from the damaged and the foreign.
 * Whatever a token is bound to goes into the seal without being in the token. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

enum {
    SEAL_KEY_BYTES = 32,
    SEAL_PAYLOAD_MAX = 64,
    SEAL_TEXT_MAX = 112, /* of the largest payload with its seal, and the end */
};

struct seal_key {
    uint8_t bytes[SEAL_KEY_BYTES];
};

/* `purpose` keeps one kind of token from passing as another; `bound` is what the token belongs to.
 * `payload` has at most SEAL_PAYLOAD_MAX bytes. */
void seal_make(const struct seal_key *key, const char *purpose, struct bytes bound,
               struct bytes payload, char ret[static SEAL_TEXT_MAX]);
/* ERR_INVALID unless the text was made with the same key, purpose and bound, for a payload of
 * exactly `payload_len` bytes. */
MUST_CHECK enum err seal_open(const struct seal_key *key, const char *purpose, struct bytes bound,
                              const char *text, uint8_t *ret_payload, size_t payload_len);

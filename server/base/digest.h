/* SHA-256: what tells one run of bytes from every other. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

enum { DIGEST_BYTES = 32 };

struct digest {
    uint8_t bytes[DIGEST_BYTES];
};

struct digest digest_of(struct bytes in);
/* Takes the same time wherever the first difference is. */
bool digest_equal(const struct digest *a, const struct digest *b);
/* From 64 hexadecimal digits; ERR_INVALID for anything else. */
MUST_CHECK enum err digest_parse(struct bytes hex, struct digest *ret);

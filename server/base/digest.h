/* SHA-256: what tells one run of bytes from every other. */
#pragma once

#include <stdint.h>

#include "base/bytes.h"

enum { DIGEST_BYTES = 32 };

struct digest {
    uint8_t bytes[DIGEST_BYTES];
};

struct digest digest_of(struct bytes in);

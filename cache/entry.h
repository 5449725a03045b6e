/* What stands in Redis for one answer: a header that says what it is, then its bytes. Pure.
 *
 *     0   checksum of all that follows (XXH3, 64 bits)
 *     8   format          12  how many bytes the answer has
 *    16   customer        32  a hash of the method and the request
 *    48   version         56  valid until
 *    64   the answer
 *
 * Numbers are little-endian. Whatever is not exactly this is refused: Redis may hold what a bug, a
 * bad disk or another program left there. The checksum is no secret; it keeps out accidents. */
#pragma once

#include "base/bytes.h"
#include "base/err.h"
#include "base/id.h"
#include "ledger/model.h"

enum {
    ENTRY_HEADER_BYTES = 64,
    /* Goes up with the layout, and with whatever makes answers of an older program wrong in the
     * eyes of a newer one. */
    ENTRY_FORMAT = 1,
};

/* What an answer is an answer to. */
struct entry_name {
    struct id customer;
    uint8_t hash[16];
};

struct entry_value {
    int64_t version;
    instant valid_until;
    struct bytes answer; /* borrowed */
};

/* The hash tells (method, request) pairs apart. `method` is zeros after its end. */
struct entry_name entry_name(const struct id *customer, const char method[static 5],
                             const uint8_t request[static 16]);
/* Writes ENTRY_HEADER_BYTES + answer.len bytes. */
void entry_encode(const struct entry_name *name, const struct entry_value *entry, uint8_t *ret);
/* ERR_INVALID unless `in` was encoded by this format under this name, and is whole. The answer
 * borrows from `in`. */
MUST_CHECK enum err entry_decode(const struct entry_name *name, struct bytes in,
                                 struct entry_value *ret);

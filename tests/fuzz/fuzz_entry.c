/* Any bytes as a filed answer: what is refused leaves the result alone, and what is accepted is
 * what would have been filed. So that the checksum does not keep everything out, the bytes are
 * tried with a checksum of our own making too. */
#include <stdlib.h>
#include <xxhash.h>

#include "cache/entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void decode(const struct entry_name *name, struct bytes in)
{
    struct entry_value entry = {.version = 77};

    if (entry_decode(name, in, &entry) != ERR_OK) {
        require(entry.version == 77 && !entry.answer.data);
        return;
    }
    uint8_t *again = malloc(ENTRY_HEADER_BYTES + entry.answer.len);
    require(again && in.len == ENTRY_HEADER_BYTES + entry.answer.len);
    entry_encode(name, &entry, again);
    require(memcmp(again, in.data, in.len) == 0);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct id customer = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
    const uint8_t request[16] = {0xa0, 0xa1};
    const struct entry_name name = entry_name(&customer, "net\0", request);

    decode(&name, bytes_of(data, size));
    if (size < ENTRY_HEADER_BYTES)
        return 0;
    uint8_t *copy = malloc(size);
    require(copy);
    memcpy(copy, data, size);
    uint64_t sum = XXH3_64bits(copy + 8, size - 8);
    for (int i = 0; i < 8; i++)
        copy[i] = (uint8_t)(sum >> 8 * i);
    decode(&name, bytes_of(copy, size));
    free(copy);
    return 0;
}

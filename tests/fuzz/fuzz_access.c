/* Any bytes as the file of those who may call: what is refused leaves no table and says why, and
 * what is accepted grants something to each of its tokens. */
#include <stdlib.h>

#include "rpc/access.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct access *a = NULL;
    char why[256] = "";

    if (access_parse(bytes_of(data, size), &a, why, sizeof why) == ERR_OK) {
        require(a && access_count(a) >= 1 && access_count(a) <= ACCESS_TOKENS_MAX);
        require(!access_find(a, bytes_of(data, size)));
    } else {
        require(!a && *why);
    }
    access_unref(a);
    return 0;
}

/* Any text as a token: it opens only if it is, to the last character, what sealing its payload
 * gives. And any payload, sealed for anything, opens again. */
#include <stdbool.h>
#include <stdlib.h>

#include "base/seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The seeds are sealed with it. */
static const struct seal_key key = {{0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
                                     11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
                                     22, 23, 24, 25, 26, 27, 28, 29, 30, 31}};

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_token(const char *token, size_t payload_len)
{
    uint8_t payload[SEAL_PAYLOAD_MAX];
    char again[SEAL_TEXT_MAX];
    struct bytes bound = bytes_text("the request");

    if (seal_open(&key, "page", bound, token, payload, payload_len) != ERR_OK)
        return;
    seal_make(&key, "page", bound, bytes_of(payload, payload_len), again);
    require(strcmp(token, again) == 0);
    /* It is nobody else's. */
    require(seal_open(&key, "pages", bound, token, payload, payload_len) != ERR_OK);
    require(seal_open(&key, "page", bytes_text("he request"), token, payload, payload_len) !=
            ERR_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t opened[SEAL_PAYLOAD_MAX];
    char sealed[SEAL_TEXT_MAX];
    size_t len = size < SEAL_PAYLOAD_MAX ? size : SEAL_PAYLOAD_MAX;
    struct bytes payload = bytes_of(data, len), bound = bytes_of(data + len, size - len);

    char *token = malloc(size + 1);
    require(token);
    memcpy(token, data, size);
    token[size] = '\0';
    check_token(token, 8);
    check_token(token, 25);
    free(token);

    seal_make(&key, "page", bound, payload, sealed);
    require(seal_open(&key, "page", bound, sealed, opened, len) == ERR_OK);
    require(memcmp(opened, data, len) == 0);
    return 0;
}

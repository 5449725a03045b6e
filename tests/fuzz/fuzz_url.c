/* Any text as the URL of a Redis: what is refused leaves the result alone and says why, and what is
 * accepted has a place to connect to. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cache/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct url url = {.port = 77};
    char why[256] = "";
    char *text = malloc(size + 1);

    require(text);
    memcpy(text, data, size);
    text[size] = '\0';
    if (url_parse(text, &url, why, sizeof why) == ERR_OK) {
        require(!*url.host != !*url.path);
        require(*url.path || (url.port >= 1 && url.port <= 65535));
        require(url.database >= 0 && url.database <= URL_DATABASE_MAX);
    } else {
        require(url.port == 77 && *why);
    }
    free(text);
    return 0;
}

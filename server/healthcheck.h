/* `balanced healthcheck`: asks a running server, as a probe would, whether it is ready. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* `listen` is the server's own setting; an address that means every interface is asked on loopback.
 * What is wrong goes to standard error as one line. */
bool healthcheck(const char *listen, int64_t timeout_us);

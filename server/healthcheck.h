/* `balanced healthcheck`: asks a running server, as a probe would, whether it is ready. */
#pragma once

#include <stdbool.h>

#include "base/config.h"

/* With the server's own settings: an address that means every interface is asked on loopback; where
 * the server has TLS, its own certificate is shown to it, should it ask for one, and the one that
 * it shows is not looked at, since a probe tells no secret and believes nothing but the state. What
 * is wrong goes to standard error as one line. */
bool healthcheck(const struct config *config);

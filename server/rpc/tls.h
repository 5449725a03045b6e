/* The server's certificate and key, and whose certificates clients must show, from PEM files that
 * may be replaced while the server runs.
 *
 *     main thread: look --> read, check --> fresh --taken by the next handshake--> in force
 *
 * What does not fit together is logged and never gets as far as gRPC. Connections that there are
 * stay as they are. */
#pragma once

#include <grpc/grpc_security.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct tls;

struct tls_paths {
    const char *certificate, *key; /* empty: no TLS */
    const char *client_ca;         /* empty: no certificate is asked for */
};

/* NULL where there is to be no TLS. */
MUST_CHECK enum err tls_open(const struct tls_paths *paths, struct tls **ret, char *why,
                             size_t why_size);
/* Takes NULL. When no server has its credentials any more. */
void tls_close(struct tls *t);
/* For grpc_server_credentials_release(); without TLS, for NULL, insecure ones. */
grpc_server_credentials *tls_credentials(struct tls *t);
/* Reads the files anew if they have changed. Takes NULL. */
void tls_look(struct tls *t);

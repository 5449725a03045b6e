/* Looks at certificates and keys before a library that says little takes them. PEM texts. */
#pragma once

#include <stddef.h>

#include "base/err.h"

/* Whether there is a certificate at least, and nothing that is broken. */
MUST_CHECK enum err pem_check_certificates(const char *text, char *why, size_t why_size);
/* Whether the key, which must not be encrypted, is that of the first certificate and strong enough.
 */
MUST_CHECK enum err pem_check_key(const char *certificates, const char *key, char *why,
                                  size_t why_size);

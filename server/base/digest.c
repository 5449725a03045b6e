#include "base/digest.h"

#include <assert.h>
#include <openssl/evp.h>

struct digest digest_of(struct bytes in)
{
    struct digest ret;
    unsigned len = sizeof ret.bytes;
    int ok = EVP_Digest(in.data, in.len, ret.bytes, &len, EVP_sha256(), NULL);

    assert(ok == 1 && len == sizeof ret.bytes);
    return ret;
}

#include "base/err.h"

#include <assert.h>

static const struct {
    int grpc;
    const char *reason;
    const char *text;
} table[ERR_COUNT] = {
#define X(name, grpc, reason, text) [name] = {grpc, reason, text},
    ERR_LIST(X)
#undef X
};

static const char *const grpc_names[] = {
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
};

int err_grpc_code(enum err err)
{
    assert(err < ERR_COUNT);
    return table[err].grpc;
}

const char *err_reason(enum err err)
{
    assert(err < ERR_COUNT);
    return table[err].reason;
}

const char *err_text(enum err err)
{
    assert(err < ERR_COUNT);
    return table[err].text;
}

const char *err_grpc_name(int grpc_code)
{
    if (grpc_code < 0 || grpc_code >= (int)(sizeof grpc_names / sizeof *grpc_names))
        return "UNKNOWN";
    return grpc_names[grpc_code];
}

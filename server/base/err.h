/* The one list of what can go wrong: our code, gRPC's number, the stable reason that callers may
 * match on (google.rpc.ErrorInfo.reason), and a sentence for the case that nobody has a better one.
 *
 * A function that can fail returns `enum err`, which must be looked at; one that cannot returns
 * void. Errors are the world's doing; a bug of ours is an assert, which stays on in release. */
#pragma once

// clang-format off
#define ERR_LIST(X)                                                                                \
    X(ERR_OK,                0, "OK",                   "no error") \
    X(ERR_CANCELLED,         1, "CANCELLED",            "the caller went away") \
    X(ERR_UNKNOWN,           2, "OUTCOME_UNKNOWN",      "whether it took place is not known") \
    X(ERR_INVALID,           3, "INVALID_REQUEST",      "the request is not valid") \
    X(ERR_DEADLINE,          4, "DEADLINE_EXCEEDED",    "the deadline passed before an answer") \
    X(ERR_NOT_FOUND,         5, "NOT_FOUND",            "it does not exist") \
    X(ERR_EXISTS,            6, "ALREADY_EXISTS",       "it exists already") \
    X(ERR_DENIED,            7, "PERMISSION_DENIED",    "the caller may not do this") \
    X(ERR_EXHAUSTED,         8, "TOO_MANY_CALLS",       "the server has more calls than it takes") \
    X(ERR_TOO_LARGE,         8, "TOO_LARGE",            "it is larger than one message may be") \
    X(ERR_PRECONDITION,      9, "FAILED_PRECONDITION",  "the state of things does not allow this") \
    X(ERR_ABORTED,          10, "ABORTED",              "another change came first") \
    X(ERR_RANGE,            11, "OUT_OF_RANGE",         "a number is out of range") \
    X(ERR_UNIMPLEMENTED,    12, "UNIMPLEMENTED",        "there is no such method") \
    X(ERR_INTERNAL,         13, "INTERNAL",             "the server failed") \
    X(ERR_UNAVAILABLE,      14, "DATABASE_UNAVAILABLE", "the database cannot be reached") \
    X(ERR_STOPPING,         14, "SHUTTING_DOWN",        "the server is shutting down") \
    X(ERR_UNAUTHENTICATED,  16, "UNAUTHENTICATED",      "the caller is not known")
// clang-format on

enum err {
#define X(name, grpc, reason, text) name,
    ERR_LIST(X)
#undef X
        ERR_COUNT,
};

#define MUST_CHECK __attribute__((warn_unused_result))

/* gRPC's status code. */
int err_grpc_code(enum err err);
/* Stable and upper-case, at most 63 characters. */
const char *err_reason(enum err err);
/* Says what happened and nothing about how this program is made. */
const char *err_text(enum err err);
/* gRPC's name of a status code ("INVALID_ARGUMENT"); "UNKNOWN" for a number that is none. */
const char *err_grpc_name(int grpc_code);

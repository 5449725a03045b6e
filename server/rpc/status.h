/* What a failed call tells its caller: a code, a sentence, and google.rpc.Status details (design
 * 7). Collected while the call runs, written once when it ends. Texts live in the call's arena. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/limits.h"

struct violation {
    const char *field; /* "filters[0].ids[2]" */
    const char *description;
};

struct status {
    enum err err;
    const char *reason; /* of ErrorInfo; NULL: the error's own */
    const char *message;
    /* BadRequest: all fields that are wrong, up to VIOLATIONS_MAX. */
    struct violation violations[VIOLATIONS_MAX];
    int violation_count;
    /* ResourceInfo: what is missing; NULL if not about a thing. */
    const char *resource_type;
    const char *resource_name;
    /* PreconditionFailure: which rule of the state of things forbids it, and of what thing; NULL if
     * none does. A call fails for its fields or for the state of things, never for both. */
    const char *precondition_type;
    const char *precondition_subject;
    /* RetryInfo and pushback; negative: not worth trying again. */
    int32_t retry_after_ms;
};

void status_init(struct status *s);

/* Adds a field that is wrong; `field` and the text are copied, and cut where they are very long. */
__attribute__((format(printf, 4, 5))) void status_violation(struct status *s, struct arena *a,
                                                            const char *field, const char *format,
                                                            ...);

/* The details as bytes of google.rpc.Status, empty if the arena is full: a plain status is an
 * answer too. `domain` is ErrorInfo's. */
struct bytes status_details(const struct status *s, struct arena *a, const char *domain);

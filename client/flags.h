/* The flags of requests: which there are, and the fields that they fill in. */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "client/commands.h"
#include "client/fields.h"

enum group {
    GROUP_SELECTION = 1,
    GROUP_CONTENT,
    GROUP_PAGE,
    GROUP_WRITE,
    GROUP_PROGRAM,
};

struct request_flag {
    const char *name;
    const char *arg;  /* NULL for a flag without */
    enum group group; /* GROUP_WRITE: for commands that write, and for them alone */
    field_set_fn *set;
    const char *fields[4]; /* the request's field is the first of these that it has */
    const char *doc;
};

extern const struct request_flag request_flags[];
extern const size_t request_flag_count;

/* The field that the flag fills in, of the request or of its spec; NULL where the command has no
 * such flag. */
const ProtobufCFieldDescriptor *flag_field(const struct request_flag *flag,
                                           const struct command *command,
                                           const ProtobufCMessageDescriptor *request);
/* Fills it in. Errors as in fields.h. */
MUST_CHECK enum err flag_set(const struct request_flag *flag, const struct command *command,
                             ProtobufCMessage *request, const char *text, char **ret_allowed);

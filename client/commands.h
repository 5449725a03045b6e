/* What balancectl can ask for: each command is one method of a service. Their request fields
 * are found by name (see options.c), their answers shown by views.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <protobuf-c/protobuf-c.h>

struct view_kind;

struct command {
    const char *name;
    const ProtobufCServiceDescriptor *service;
    const char *method; /* of the service */
    const char *doc;    /* what --help says */
    const struct view_kind *view;
};

#define COMMAND_COUNT 37
extern const struct command commands[COMMAND_COUNT];

/* NULL if there is none of this name. */
const struct command *command_find(const char *name);
/* Whether its answer comes in pages that may be asked for. */
bool command_pages(const struct command *command);
/* Whether it is about a customer, always. */
bool command_needs_customer(const struct command *command);
/* Whether it changes something. */
bool command_writes(const struct command *command);
/* Whether it needs everything that it can get, all pages with balances and ledgers: then there are
 * no flags for them. */
bool command_draws(const struct command *command);
/* A request of the command's type without any field set; freed by
 * protobuf_c_message_free_unpacked(). */
ProtobufCMessage *command_request(const struct command *command);

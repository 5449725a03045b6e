/* The table of commands, in the order of --help. A new method of BalanceService is a line here and
 * a view; its flags follow from its request. */
#include "client/commands.h"

#include <assert.h>
#include <string.h>

#include <balances/v1/balances.pb-c.h>

#include "client/memory.h"
#include "client/views.h"

const struct command commands[COMMAND_COUNT] = {
    {"list", "ListBalances",
     "Lists the commits, credits and account balances of a customer, oldest first.",
     &view_balances},
    {"credits", "ListCredits", "Lists the credits of a customer, oldest first.", &view_credits},
    {"commits", "ListCommits", "Lists the commits of a customer, oldest first.", &view_commits},
    {"net", "GetNetBalance",
     "Prints the sum of what a customer can still spend in one credit type.", &view_net},
    {"ledger", "ListLedgerEntries", "Lists what changed a customer's balances.", &view_ledger},
};

const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

ProtobufCMessage *command_request(const struct command *command)
{
    const ProtobufCMethodDescriptor *method = protobuf_c_service_descriptor_get_method_by_name(
        &balances__v1__balance_service__descriptor, command->method);
    assert(method);
    ProtobufCMessage *request = memory_get(method->input->sizeof_message);
    protobuf_c_message_init(method->input, request);
    return request;
}

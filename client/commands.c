/* The table of commands, in the order of --help. A new method is a line here and a view;
 * its flags follow from its request. */
#include "client/commands.h"

#include <assert.h>
#include <string.h>

#include <balances/v1/account_balances.pb-c.h>
#include <balances/v1/balances.pb-c.h>
#include <balances/v1/catalog.pb-c.h>
#include <balances/v1/ledger.pb-c.h>

#include "client/memory.h"
#include "client/views.h"

#define BALANCES &balances__v1__balance_service__descriptor
#define LEDGER   &balances__v1__ledger_service__descriptor
#define ACCOUNTS &balances__v1__account_balance_service__descriptor
#define CATALOG  &balances__v1__catalog_service__descriptor

const struct command commands[COMMAND_COUNT] = {
    {"list", BALANCES, "ListBalances",
     "Lists the commits, credits and account balances of a customer, oldest first.",
     &view_balances},
    {"credits", BALANCES, "ListCredits", "Lists the credits of a customer, oldest first.",
     &view_credits},
    {"commits", BALANCES, "ListCommits", "Lists the commits of a customer, oldest first.",
     &view_commits},
    {"net", BALANCES, "GetNetBalance",
     "Prints the sum of what a customer can still spend in one credit type.", &view_net},
    {"ledger", BALANCES, "ListLedgerEntries",
     "Lists what changed a customer's balances. With --id and from the beginning, also what the "
     "entries so far add up to.",
     &view_ledger},
    {"burn-down", BALANCES, "ListBalances",
     "Draws how the balances of a customer went down, a chart for each credit type: the sum of all "
     "ledger entries, drafts included, at each instant. Debt shows below zero. "
     "What to look for chooses balances; each is drawn from its first entry to its last.",
     &view_burn_down},
    {"grant-credit", LEDGER, "CreateCredit", "Gives a customer a credit and prints its id.",
     &view_written},
    {"grant-commit", LEDGER, "CreateCommit", "Gives a customer a commit and prints its id.",
     &view_written},
    {"adjust", LEDGER, "AddManualLedgerEntry",
     "Adds an amount to a balance by hand, or takes one away.", &view_written},
    {"end", LEDGER, "UpdateEndDate", "Moves the end of a balance.", &view_written},
    {"archive", LEDGER, "ArchiveBalance", "Archives a balance: nobody can spend it any more.",
     &view_written},
    {"seats", LEDGER, "AdjustSeats", "Adds the amount of new seats to a segment.", &view_written},
    {"draw", LEDGER, "DrawDown",
     "Covers charges of a draft invoice from a customer's balances, in burn order.", &view_draw},
    {"finalize", LEDGER, "FinalizeInvoice", "Makes the deductions of an invoice final.",
     &view_written},
    {"void", LEDGER, "VoidInvoice", "Gives back all that an invoice deducted.", &view_written},
    {"rollover", LEDGER, "RolloverBalance",
     "Carries what is left of a balance, up to its rollover fraction of the original amount, to a "
     "new contract.",
     &view_written},
    {"true-up", LEDGER, "TrueUpCommit",
     "Bills what is left of a postpaid commit, which brings its balance to zero.", &view_written},
    {"accounts", ACCOUNTS, "ListAccountBalances",
     "Lists the account balances of a customer, oldest first.", &view_accounts},
    {"account", ACCOUNTS, "GetAccountBalance", "Shows one account balance.", &view_accounts},
    {"create-account", ACCOUNTS, "CreateAccountBalance",
     "Makes an account balance, which is empty until something is put into it.", &view_accounts},
    {"update-account", ACCOUNTS, "UpdateAccountBalance",
     "Gives an account balance other fields: those that are not said are gone.", &view_accounts},
    {"delete-account", ACCOUNTS, "DeleteAccountBalance",
     "Deletes an account balance that no invoice drew on, and shows it as it was.", &view_accounts},
    {"transact", ACCOUNTS, "CreateTransaction",
     "Puts an amount into an account balance, or takes one out.", &view_transactions},
    {"transactions", ACCOUNTS, "ListTransactions",
     "Lists what moved an account balance, oldest first.", &view_transactions},
    {"summary", ACCOUNTS, "GetTransactionSummary",
     "Prints what the transactions of an account balance come to.", &view_summary},
    {"types", ACCOUNTS, "ListTransactionTypes", "Lists the types of transactions, oldest first.",
     &view_types},
    {"type", ACCOUNTS, "GetTransactionType", "Shows one type of transactions.", &view_types},
    {"create-type", ACCOUNTS, "CreateTransactionType", "Makes a type of transactions.",
     &view_types},
    {"update-type", ACCOUNTS, "UpdateTransactionType",
     "Gives a type of transactions another name and code, and archives it or takes it back.",
     &view_types},
    {"delete-type", ACCOUNTS, "DeleteTransactionType",
     "Deletes a type that no transaction is of, and shows it as it was.", &view_types},
    {"order", ACCOUNTS, "GetCreditApplicationOrder",
     "Prints in which order credit burns: a customer's, or the organization's.", &view_order},
    {"set-order", ACCOUNTS, "SetCreditApplicationOrder",
     "Sets in which order credit burns: a customer's, or the organization's.", &view_written},
    {"put-customer", CATALOG, "PutCustomer", "Makes a customer, or names it anew.", &view_written},
    {"put-contract", CATALOG, "PutContract", "Makes a contract, or names it anew.", &view_written},
    {"archive-contract", CATALOG, "ArchiveContract",
     "Archives a contract, and its balances with it.", &view_written},
    {"put-product", CATALOG, "PutProduct",
     "Makes a product, or gives it another name and other tags: those that are not said are gone.",
     &view_written},
    {"put-credit-type", CATALOG, "PutCreditType", "Makes a credit type, or names it anew.",
     &view_written},
};

static const ProtobufCMessageDescriptor *request_type(const struct command *command)
{
    const ProtobufCMethodDescriptor *method =
        protobuf_c_service_descriptor_get_method_by_name(command->service, command->method);
    assert(method);
    return method->input;
}

bool command_pages(const struct command *command)
{
    return protobuf_c_message_descriptor_get_field_by_name(request_type(command), "next_page") &&
           !command_draws(command);
}

/* An order of credit is a customer's or, without one, the organization's. */
bool command_needs_customer(const struct command *command)
{
    return protobuf_c_message_descriptor_get_field_by_name(request_type(command), "customer_id") &&
           !strstr(command->method, "CreditApplicationOrder");
}

/* The contract calls a method that only asks List or Get. */
bool command_writes(const struct command *command)
{
    return strncmp(command->method, "List", 4) != 0 && strncmp(command->method, "Get", 3) != 0;
}

bool command_draws(const struct command *command)
{
    return view_draws(command->view);
}

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
    const ProtobufCMessageDescriptor *type = request_type(command);
    ProtobufCMessage *request = memory_get(type->sizeof_message);
    protobuf_c_message_init(type, request);
    return request;
}

/* Command-line options, on glibc's argp.
 *
 * There are two kinds. Those of the program (where, how long, how shown) may stand before or after
 * the command. Those of a request are a table from flag to field: a command has a flag exactly if
 * its request has one of the flag's fields, so the contract itself says what each command takes. */
#include "client/options.h"

#include <argp.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "client/fields.h"
#include "client/memory.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const char DEFAULT_ADDRESS[] = "127.0.0.1:50051";
static const int64_t DEFAULT_TIMEOUT_MS = 5000;
static const int64_t MAX_TIMEOUT_MS = 24 * 3600 * INT64_C(1000);

/* argp's keys: above all characters, so that they are no short options. */
enum {
    KEY_ADDRESS = 0x100,
    KEY_TIMEOUT,
    KEY_TOKEN_FILE,
    KEY_CA,
    KEY_CERT,
    KEY_KEY,
    KEY_ALL,
    KEY_FLAG, /* this and the following: request_flags[key - KEY_FLAG] */
};

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

// clang-format off
static const struct request_flag request_flags[] = {
    {"customer", "ID", GROUP_SELECTION, field_set_text,
     {"customer_id"},
     "The customer; required"},
    {"id", "ID", GROUP_SELECTION, field_set_text,
     {"id", "credit_id", "commit_id", "balance_id"},
     "Only this balance"},
    {"covering-date", "TIME", GROUP_SELECTION, field_set_instant,
     {"covering_date"},
     "Only balances with a segment that covers TIME (RFC 3339)"},
    {"starting-at", "TIME", GROUP_SELECTION, field_set_instant,
     {"starting_at"},
     "Only what there is at TIME or after it"},
    {"effective-before", "TIME", GROUP_SELECTION, field_set_instant,
     {"effective_before"},
     "Only balances with access before TIME"},
    {"ending-before", "TIME", GROUP_SELECTION, field_set_instant,
     {"ending_before"},
     "Only entries before TIME"},
    {"contract", NULL, GROUP_SELECTION, field_set_true,
     {"include_contract_balances", "include_contract_credits", "include_contract_commits"},
     "Also balances that belong to a contract"},
    {"archived", NULL, GROUP_SELECTION, field_set_true,
     {"include_archived"},
     "Also archived balances"},
    {"exclude-zero", NULL, GROUP_SELECTION, field_set_true,
     {"exclude_zero_balances"},
     "Only balances that are not zero now"},
    {"credit-type", "ID", GROUP_SELECTION, field_set_text,
     {"credit_type_id"},
     "Sum balances of this credit type; USD (cents) by default"},
    {"filter", "FILTER", GROUP_SELECTION, field_add_filter,
     {"filters"},
     "Only balances that meet all conditions of FILTER, or of another FILTER: "
     "'type=CREDIT,PREPAID_COMMIT;id=ID,...;field=KEY:VALUE', each of them as often as needed"},
    {"mode", "MODE", GROUP_SELECTION, field_set_mode,
     {"invoice_inclusion_mode"},
     "Whose deductions count: of finalized invoices, or of all, drafts included (the default)"},
    {"types", "TYPE,...", GROUP_SELECTION, field_add_enums,
     {"types"},
     "Only entries of these types, as in CREDIT_MANUAL"},
    {"ledgers", NULL, GROUP_CONTENT, field_set_true,
     {"include_ledgers"},
     "Also show the ledgers"},
    {"balance", NULL, GROUP_CONTENT, field_set_true,
     {"include_balance"},
     "Show what can be used now; the default of a table"},
    {"no-balance", NULL, GROUP_CONTENT, field_set_false,
     {"include_balance"},
     "Do not show it"},
    {"descending", NULL, GROUP_CONTENT, field_set_true,
     {"descending"},
     "Newest first"},
    {"consistency", "LEVEL", GROUP_CONTENT, field_set_consistency,
     {"consistency"},
     "fresh: the quickest answer that is valid (the default); full: with everything committed "
     "before the question; token:TOKEN: with what the answer that brought TOKEN showed"},
    {"limit", "N", GROUP_PAGE, field_set_int32,
     {"limit"},
     "At most N rows on a page"},
    {"page", "TOKEN", GROUP_PAGE, field_set_text,
     {"next_page"},
     "The page that TOKEN names"},
    {"customer", "ID", GROUP_WRITE, field_set_text,
     {"customer_id"},
     "The customer; required"},
    {"id", "ID", GROUP_WRITE, field_set_text,
     {"id"},
     "What it is about: a balance; in the catalog what is made or archived"},
    {"type", "TYPE", GROUP_WRITE, field_set_enum,
     {"type"},
     "prepaid or postpaid"},
    {"product", "ID", GROUP_WRITE, field_set_text,
     {"product_id"},
     "The product that it is sold as"},
    {"access", "AMOUNT,FROM,BEFORE", GROUP_WRITE, field_add_access,
     {"access_schedule"},
     "AMOUNT can be spent from FROM until before BEFORE (RFC 3339); as often as needed"},
    {"credit-type", "ID", GROUP_WRITE, field_set_schedule_credit_type,
     {"access_schedule"},
     "What the amounts are in; USD (cents) by default"},
    {"invoice-item", "AMOUNT,TIME", GROUP_WRITE, field_add_invoice,
     {"invoice_schedule"},
     "AMOUNT, or PRICExQUANTITY, is invoiced at TIME; as often as needed"},
    {"invoice-credit-type", "ID", GROUP_WRITE, field_set_schedule_credit_type,
     {"invoice_schedule"},
     "What the invoices are in; USD (cents) by default"},
    {"do-not-invoice", NULL, GROUP_WRITE, field_set_not_invoiced,
     {"invoice_schedule"},
     "Make no invoices of its invoice items"},
    {"invoice-contract", "ID", GROUP_WRITE, field_set_text,
     {"invoice_contract_id"},
     "The contract whose invoices charge it"},
    {"priority", "NUMBER", GROUP_WRITE, field_set_double,
     {"priority"},
     "Which is spent first among balances of its kind: the lowest, as in 1.5"},
    {"name", "TEXT", GROUP_WRITE, field_set_text,
     {"name"},
     "What people call it"},
    {"description", "TEXT", GROUP_WRITE, field_set_text,
     {"description"},
     "More about it"},
    {"products", "ID,...", GROUP_WRITE, field_add_texts,
     {"applicable_product_ids"},
     "Pays for these products alone"},
    {"tags", "TAG,...", GROUP_WRITE, field_add_texts,
     {"applicable_product_tags", "tags"},
     "Pays for products with these tags alone; a product's own"},
    {"contracts", "ID,...", GROUP_WRITE, field_add_texts,
     {"applicable_contract_ids"},
     "Pays for charges of these contracts alone"},
    {"specifier", "KEY=VALUE,...", GROUP_WRITE, field_add_specifier,
     {"specifiers"},
     "Pays for what has all of these, or all of another --specifier, instead of --products and "
     "--tags. KEY is product, tag, pricing.NAME or presentation.NAME"},
    {"child-access", "all|none|ID,...", GROUP_WRITE, field_set_child_access,
     {"hierarchy_configuration"},
     "Which contracts below it may spend it"},
    {"rate-type", "TYPE", GROUP_WRITE, field_set_enum,
     {"rate_type"},
     "commit_rate or list_rate: at which rate charges are taken from it"},
    {"field", "KEY=VALUE", GROUP_WRITE, field_add_pair,
     {"custom_fields"},
     "A custom field; as often as needed"},
    {"netsuite-sales-order", "ID", GROUP_WRITE, field_set_text,
     {"netsuite_sales_order_id"},
     "Its sales order in NetSuite"},
    {"salesforce-opportunity", "ID", GROUP_WRITE, field_set_text,
     {"salesforce_opportunity_id"},
     "Its opportunity in Salesforce"},
    {"rollover-fraction", "NUMBER", GROUP_WRITE, field_set_text,
     {"rollover_fraction"},
     "How much of its original amount may be rolled over at most, from 0 to 1"},
    {"segment", "ID", GROUP_WRITE, field_set_text,
     {"segment_id"},
     "The segment of the balance"},
    {"invoice", "ID", GROUP_WRITE, field_set_text,
     {"invoice_id"},
     "The invoice"},
    {"period-end", "TIME", GROUP_WRITE, field_set_instant,
     {"service_period_end"},
     "When the invoice's service period ends (RFC 3339): the time of its deductions"},
    {"charge", "AMOUNT[,KEY=VALUE...]", GROUP_WRITE, field_add_charge,
     {"charges"},
     "What is to be covered; as often as needed. KEY is product, kind (usage, subscription, "
     "composite), commit-rate-amount, line-item-type, at, unit-price, name, credit-type, "
     "pricing.NAME or presentation.NAME; a backslash takes the meaning from the "
     "character behind it"},
    {"replace", NULL, GROUP_WRITE, field_set_true,
     {"replace"},
     "Forget what the draft deducted so far; otherwise the charges add to it"},
    {"dry-run", NULL, GROUP_WRITE, field_set_true,
     {"dry_run"},
     "Say what would be covered, write nothing"},
    {"amount", "AMOUNT", GROUP_WRITE, field_set_text,
     {"amount"},
     "What is added; adjust alone also takes away (--amount=-5)"},
    {"reason", "TEXT", GROUP_WRITE, field_set_text,
     {"reason"},
     "Why"},
    {"contract", "ID", GROUP_WRITE, field_set_text,
     {"contract_id", "new_contract_id"},
     "The contract"},
    {"at", "TIME", GROUP_WRITE, field_set_instant,
     {"timestamp"},
     "When it takes effect (RFC 3339); the start of the segment by default"},
    {"from", "TIME", GROUP_WRITE, field_set_instant,
     {"starting_at"},
     "When it begins (RFC 3339)"},
    {"before", "TIME", GROUP_WRITE, field_set_instant,
     {"access_ending_before", "ending_before"},
     "When it ends (RFC 3339)"},
    {"invoices-before", "TIME", GROUP_WRITE, field_set_instant,
     {"invoices_ending_before"},
     "When its invoices end (RFC 3339)"},
    {"uniqueness-key", "TEXT", GROUP_WRITE, field_set_text,
     {"uniqueness_key"},
     "Belongs to what is made for ever: a second use is refused"},
    {"request-id", "UUID", GROUP_WRITE, field_set_text,
     {"request_id"},
     "Names this request, so that repeating it writes nothing twice; a new one by default"},
};
// clang-format on

/* What a parse in progress knows. */
struct parse {
    struct options *options;
    bool balance_is_said; /* --balance or --no-balance */
};

/* Whether the command says by itself what this field is. */
static bool is_settled(const struct command *command, const char *field)
{
    static const char *const settled[] = {"include_ledgers", "include_balance", "limit",
                                          "next_page"};
    for (size_t i = 0; command_draws(command) && i < COUNT(settled); i++) {
        if (strcmp(field, settled[i]) == 0)
            return true;
    }
    return false;
}

static const ProtobufCFieldDescriptor *flag_field(const struct request_flag *flag,
                                                  const struct command *command,
                                                  const ProtobufCMessageDescriptor *request)
{
    const ProtobufCFieldDescriptor *field = NULL;
    if (command_writes(command) != (flag->group == GROUP_WRITE))
        return NULL;
    for (size_t i = 0; !field && i < COUNT(flag->fields) && flag->fields[i]; i++)
        field = protobuf_c_message_descriptor_get_field_by_name(request, flag->fields[i]);
    return field && is_settled(command, field->name) ? NULL : field;
}

/* "250ms", "5s", "5", "2m". */
static enum err parse_timeout(const char *text, int64_t *ret_ms)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"", 1000}, {"s", 1000}, {"ms", 1}, {"m", 60000}};

    char *unit;
    errno = 0;
    long long value = strtoll(text, &unit, 10);
    if (*text < '0' || *text > '9' || errno || value < 1 || value > MAX_TIMEOUT_MS)
        return ERR_INVALID;
    for (size_t i = 0; i < COUNT(units); i++) {
        if (strcmp(unit, units[i].name) == 0 && value <= MAX_TIMEOUT_MS / units[i].ms) {
            *ret_ms = value * units[i].ms;
            return ERR_OK;
        }
    }
    return ERR_INVALID;
}

static error_t parse_program_option(int key, char *arg, struct argp_state *state)
{
    struct options *options = ((struct parse *)state->input)->options;
    switch (key) {
    case KEY_ADDRESS:
        if (!*arg)
            argp_error(state, "--address: takes HOST:PORT or unix:PATH");
        options->address = arg;
        return 0;
    case KEY_TIMEOUT:
        if (parse_timeout(arg, &options->timeout_ms) != ERR_OK)
            argp_error(state, "--timeout: \"%s\" is no time: 250ms, 5s or 2m, at most a day", arg);
        return 0;
    case KEY_TOKEN_FILE:
        options->token_file = arg;
        return 0;
    case KEY_CA:
        options->ca_file = arg;
        return 0;
    case KEY_CERT:
        options->certificate_file = arg;
        return 0;
    case KEY_KEY:
        options->key_file = arg;
        return 0;
    case 'o':
        if (strcmp(arg, "table") == 0)
            options->output = OUTPUT_TABLE;
        else if (strcmp(arg, "json") == 0)
            options->output = OUTPUT_JSON;
        else
            argp_error(state, "--output: \"%s\" is neither table nor json", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option program_options[] = {
    {"address", KEY_ADDRESS, "HOST:PORT", 0,
     "The server, also unix:PATH; $BALANCECTL_ADDRESS or 127.0.0.1:50051 by default",
     GROUP_PROGRAM},
    {"timeout", KEY_TIMEOUT, "TIME", 0, "Wait at most TIME for an answer; 5s by default",
     GROUP_PROGRAM},
    {"output", 'o', "FORMAT", 0, "table (the default) or json", GROUP_PROGRAM},
    {"token-file", KEY_TOKEN_FILE, "FILE", 0, "Authenticate by the token in the first line of FILE",
     GROUP_PROGRAM},
    {"ca", KEY_CA, "FILE", 0,
     "Use TLS, with a server whose certificate is of one of the CAs in FILE (PEM), as "
     "/etc/ssl/certs/ca-certificates.crt",
     GROUP_PROGRAM},
    {"cert", KEY_CERT, "FILE", 0, "Show the certificate in FILE (PEM); needs --ca and --key",
     GROUP_PROGRAM},
    {"key", KEY_KEY, "FILE", 0, "Its private key (PEM)", GROUP_PROGRAM},
    {0},
};

static const struct argp program_argp = {.options = program_options,
                                         .parser = parse_program_option};

static void set_request_flag(struct parse *parse, const struct request_flag *flag, const char *arg,
                             struct argp_state *state)
{
    ProtobufCMessage *request = parse->options->request;
    char *allowed = NULL;
    const ProtobufCFieldDescriptor *field =
        flag_field(flag, parse->options->command, request->descriptor);
    assert(field);
    if (flag->set(request, field, arg, &allowed) != ERR_OK)
        argp_error(state, "--%s: \"%s\" is not allowed there; it takes %s", flag->name, arg,
                   allowed);
    if (strcmp(field->name, "include_balance") == 0)
        parse->balance_is_said = true;
}

/* Sets a field to true where the request has it. */
static void ask_for(ProtobufCMessage *request, const char *name)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(request->descriptor, name);
    if (!field)
        return;
    enum err err = field_set_true(request, field, NULL, NULL);
    assert(err == ERR_OK);
}

static void finish_request(struct parse *parse, struct argp_state *state)
{
    struct options *options = parse->options;
    if (!options->certificate_file != !options->key_file ||
        (options->key_file && !options->ca_file))
        argp_error(state, "--cert and --key go together, and need --ca");
    const ProtobufCMessageDescriptor *type = options->request->descriptor;
    if (protobuf_c_message_descriptor_get_field_by_name(type, "customer_id") &&
        !**field_text(options->request, "customer_id"))
        argp_error(state, "--customer is required: the id of the customer");
    if (protobuf_c_message_descriptor_get_field_by_name(type, "request_id") &&
        !**field_text(options->request, "request_id")) {
        const struct id fresh = id_random();
        field_replace_text(options->request, "request_id", id_format(&fresh).text);
    }

    bool by_default = !parse->balance_is_said && options->output == OUTPUT_TABLE;
    if (by_default || command_draws(options->command))
        ask_for(options->request, "include_balance");
    if (command_draws(options->command))
        ask_for(options->request, "include_ledgers");
    options->all_pages = options->all_pages || command_draws(options->command);
}

static error_t parse_command_option(int key, char *arg, struct argp_state *state)
{
    struct parse *parse = state->input;
    if (key >= KEY_FLAG && key < KEY_FLAG + (int)COUNT(request_flags)) {
        set_request_flag(parse, &request_flags[key - KEY_FLAG], arg, state);
        return 0;
    }
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = parse;
        return 0;
    case KEY_ALL:
        parse->options->all_pages = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "\"%s\" is too much: everything after the command is an option", arg);
        return 0;
    case ARGP_KEY_END:
        finish_request(parse, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* The flags of one command, in the form that argp wants. */
static void list_flags(const struct command *command, const ProtobufCMessageDescriptor *request,
                       struct argp_option *ret)
{
    size_t count = 0;
    if (command_writes(command)) {
        ret[count++] = (struct argp_option){.doc = "What to write:", .group = GROUP_WRITE};
    } else {
        ret[count++] = (struct argp_option){.doc = "What to look for:", .group = GROUP_SELECTION};
        ret[count++] = (struct argp_option){.doc = "What to show:", .group = GROUP_CONTENT};
    }
    if (protobuf_c_message_descriptor_get_field_by_name(request, "next_page") &&
        !is_settled(command, "next_page")) {
        ret[count++] = (struct argp_option){.doc = "Pages:", .group = GROUP_PAGE};
        ret[count++] = (struct argp_option){
            .name = "all",
            .key = KEY_ALL,
            .doc = "All pages, from the first or from --page; JSON has one document for each",
            .group = GROUP_PAGE,
        };
    }
    for (size_t i = 0; i < COUNT(request_flags); i++) {
        const struct request_flag *flag = &request_flags[i];
        if (!flag_field(flag, command, request))
            continue;
        ret[count++] = (struct argp_option){
            .name = flag->name,
            .key = KEY_FLAG + (int)i,
            .arg = flag->arg,
            .doc = flag->doc,
            .group = flag->group,
        };
    }
    ret[count] = (struct argp_option){0};
}

/* `argv[0]` is the command's name. */
static void parse_command(struct parse *parse, int argc, char **argv)
{
    const struct command *command = parse->options->command;
    struct argp_option flags[COUNT(request_flags) + 5];
    list_flags(command, parse->options->request->descriptor, flags);

    const struct argp_child children[] = {{&program_argp, 0, "Program:", GROUP_PROGRAM}, {0}};
    const struct argp argp = {.options = flags,
                              .parser = parse_command_option,
                              .doc = command->doc,
                              .children = children};
    /* argp shows this name in its errors and in the usage. */
    char name[64];
    snprintf(name, sizeof name, "balancectl %s", command->name);
    argv[0] = name;
    argp_parse(&argp, argc, argv, 0, NULL, parse);
}

static error_t parse_main_option(int key, char *arg, struct argp_state *state)
{
    struct parse *parse = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = parse;
        return 0;
    case ARGP_KEY_ARG:
        parse->options->command = command_find(arg);
        if (!parse->options->command)
            argp_error(state, "\"%s\" is no command; balancectl --help lists them", arg);
        parse->options->request = command_request(parse->options->command);
        parse_command(parse, state->argc - state->next + 1, &state->argv[state->next - 1]);
        state->next = state->argc;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "a command is missing; balancectl --help lists them");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

void options_parse(int argc, char **argv, struct options *ret)
{
    const char *address = getenv("BALANCECTL_ADDRESS");
    *ret = (struct options){
        .address = address && *address ? address : DEFAULT_ADDRESS,
        .timeout_ms = DEFAULT_TIMEOUT_MS,
    };
    struct parse parse = {.options = ret};

    const struct argp_child children[] = {{&program_argp, 0, "Before or after the command:", 0},
                                          {0}};
    const struct argp argp = {
        .parser = parse_main_option,
        .args_doc = "COMMAND [OPTION...]",
        .doc = "Asks a balances server what a customer can still spend, and changes it.\n\n"
               "Commands (COMMAND --help tells what each takes):\n"
               "  list     all balances of a customer\n"
               "  credits  credits alone\n"
               "  commits  commits alone\n"
               "  net      what can be spent in one credit type\n"
               "  ledger   what changed the balances\n"
               "  burn-down  a chart of how the balances went down\n\n"
               "  grant-credit, grant-commit  give a customer a balance\n"
               "  adjust   add an amount to a balance, or take one away\n"
               "  end      move the end of a balance\n"
               "  archive  archive a balance\n"
               "  seats    add the amount of new seats to a balance\n"
               "  draw     cover charges of a draft invoice from the balances\n"
               "  finalize, void  settle an invoice, or give back what it took\n"
               "  rollover  carry what is left of a balance to a new contract\n"
               "  true-up  bill what is left of a postpaid commit\n\n"
               "  put-customer, put-contract, put-product, put-credit-type  make what balances "
               "refer to, or change it\n"
               "  archive-contract  archive a contract and its balances\v"
               "A table leaves out or cuts (...) what a narrow terminal has no room for, never an "
               "amount. Piped into another program it is complete; $COLUMNS overrides.\n\n"
               "Exit status: 0 if the answer is printed, or if nobody reads it to its end; 2 for a "
               "command line that is wrong; 64 and the gRPC status code on top if the call fails "
               "(67 INVALID_ARGUMENT, 68 DEADLINE_EXCEEDED, 69 NOT_FOUND, 78 UNAVAILABLE); 1 for "
               "anything else.",
        .children = children,
    };
    argp_program_version = "balancectl " BALANCED_VERSION;
    argp_err_exit_status = EXIT_USAGE;
    argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &parse);
}

void options_done(struct options *options)
{
    if (options->request)
        protobuf_c_message_free_unpacked(options->request, NULL);
    *options = (struct options){0};
}

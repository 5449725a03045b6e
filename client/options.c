/* Command-line options, on glibc's argp.
 *
 * There are two kinds. Those of the program (where, how long, how shown) may stand before or after
 * the command. Those of a request are in flags.c. */
#include "client/options.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "client/fields.h"
#include "client/flags.h"
#include "client/manual.h"
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

const char about_tables[] = "A table leaves out or cuts (...) what a narrow terminal has no room "
                            "for, never an amount. Piped "
                            "into another program it is complete; $COLUMNS overrides.";
const char about_exit[] =
    "0 if the answer is printed, or if nobody reads it to its end; 2 for a command line that is "
    "wrong; 64 and the gRPC status code on top if the call fails (67 INVALID_ARGUMENT, 68 "
    "DEADLINE_EXCEEDED, 69 NOT_FOUND, 78 UNAVAILABLE); 1 for anything else.";
const char all_pages_flag[] = "all";
const char all_pages_doc[] =
    "All pages, from the first or from --page; JSON has one document for each";

const struct local_command local_commands[] = {
    {"completion", "Prints what bash completes commands and flags by: source it.",
     completion_print},
    {"manual", "Prints the manual page, for man.", manual_print},
    {0},
};

/* What a parse in progress knows. */
struct parse {
    struct options *options;
    bool balance_is_said; /* --balance or --no-balance */
};

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

const struct argp_option program_options[] = {
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
    if (flag_set(flag, parse->options->command, request, arg, &allowed) != ERR_OK)
        argp_error(state, "--%s: \"%s\" is not allowed there; it takes %s", flag->name, arg,
                   allowed);
    if (strcmp(flag->fields[0], "include_balance") == 0)
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
    if (command_needs_customer(options->command) && !**field_text(options->request, "customer_id"))
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
    if (key >= KEY_FLAG && key < KEY_FLAG + (int)request_flag_count) {
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
    if (command_pages(command)) {
        ret[count++] = (struct argp_option){.doc = "Pages:", .group = GROUP_PAGE};
        ret[count++] = (struct argp_option){
            .name = all_pages_flag,
            .key = KEY_ALL,
            .doc = all_pages_doc,
            .group = GROUP_PAGE,
        };
    }
    for (size_t i = 0; i < request_flag_count; i++) {
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
    struct argp_option *flags = memory_get((request_flag_count + 5) * sizeof *flags);
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
    free(flags);
}

static void run_local(const char *name)
{
    for (const struct local_command *local = local_commands; local->name; local++) {
        if (strcmp(local->name, name) != 0)
            continue;
        local->print(stdout);
        exit(fflush(stdout) == 0 ? 0 : 1);
    }
}

static error_t parse_main_option(int key, char *arg, struct argp_state *state)
{
    struct parse *parse = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = parse;
        return 0;
    case ARGP_KEY_ARG:
        run_local(arg);
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

/* The texts behind the options are those of the manual page. */
static char *add_abouts(int key, const char *text, void *input)
{
    char *whole = NULL;
    (void)input;
    if (key != ARGP_KEY_HELP_POST_DOC)
        return (char *)(uintptr_t)text;
    return asprintf(&whole, "%s\n\nExit status: %s", about_tables, about_exit) < 0 ? NULL : whole;
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
               "  accounts, account  account balances: all of a customer's, or one\n"
               "  create-account, update-account, delete-account  make one, change or delete it\n"
               "  transact  put an amount into an account balance, or take one out\n"
               "  transactions, summary  what moved an account balance, and what it comes to\n"
               "  types, type  the types of transactions\n"
               "  create-type, update-type, delete-type  make one, change or delete it\n"
               "  order, set-order  whether prepayments burn before account balances\n\n"
               "  put-customer, put-contract, put-product, put-credit-type  make what balances "
               "refer to, or change it\n"
               "  archive-contract  archive a contract and its balances\n\n"
               "  completion, manual  what a shell completes by, and the manual page\v",
        .children = children,
        .help_filter = add_abouts,
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

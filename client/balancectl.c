/* balancectl: asks a balances server, or has it write, and prints the answer as a table or as JSON.
 *
 *     options --> call --answered--> print --no more pages, or one is enough--> end
 *                  ^ |                 |
 *                  | '--failed--> end  '--next_page, with --all--.
 *                  '---------------------------------------------'
 *
 * A page is printed before the next is asked for, so that the ledger of a lifetime needs no more
 * memory than a page of it. Only answers go to the standard output; everything else is said on the
 * other. */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "client/balances.h"
#include "client/explain.h"
#include "client/fields.h"
#include "client/json.h"
#include "client/memory.h"
#include "client/options.h"
#include "client/terminal.h"
#include "client/text.h"
#include "client/views.h"

enum {
    EXIT_OTHER = 1,
    EXIT_STATUS = 64, /* and the gRPC code on top */
    MAX_TOKEN_BYTES = 8192,
    MAX_PEM_BYTES = 1024 * 1024,
};

/* The first line of the file. `ret_token` has room for MAX_TOKEN_BYTES. */
static int read_token(const char *path, char *ret_token)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        fprintf(stderr, "balancectl: --token-file: %s: %s\n", path, strerror(errno));
        return EXIT_OTHER;
    }
    if (!fgets(ret_token, MAX_TOKEN_BYTES, file))
        *ret_token = 0;
    bool is_whole = strchr(ret_token, '\n') || feof(file);
    fclose(file);
    if (!is_whole) {
        fprintf(stderr,
                "balancectl: --token-file: %s: its first line cannot be read, or is longer than "
                "%d bytes\n",
                path, MAX_TOKEN_BYTES - 2);
        return EXIT_OTHER;
    }
    ret_token[strcspn(ret_token, "\r\n")] = 0;
    return 0;
}

struct pem_texts {
    char *ca, *certificate, *key;
};

static void pem_texts_done(struct pem_texts *texts)
{
    free(texts->ca);
    free(texts->certificate);
    free(texts->key);
}

/* The files of --ca, --cert and --key, as far as they were given. */
static int read_pem(const struct options *options, struct pem_texts *ret)
{
    const struct {
        const char *flag, *path;
        char **text;
    } files[] = {{"ca", options->ca_file, &ret->ca},
                 {"cert", options->certificate_file, &ret->certificate},
                 {"key", options->key_file, &ret->key}};

    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct file file = {.path = files[i].path};
        char why[512];
        size_t len;
        if (!file.path)
            continue;
        if (file_read(&file, MAX_PEM_BYTES, files[i].text, &len, why, sizeof why) != ERR_OK) {
            fprintf(stderr, "balancectl: --%s: %s\n", files[i].flag, why);
            return EXIT_OTHER;
        }
    }
    return 0;
}

static int open_with(const struct options *options, const struct pem_texts *pem,
                     struct balances **ret)
{
    const struct balances_tls tls = {pem->ca, pem->certificate, pem->key};
    const char *why;
    char token[MAX_TOKEN_BYTES];
    if (options->token_file) {
        int failed = read_token(options->token_file, token);
        if (failed)
            return failed;
    }
    const struct balances_options how = {
        .address = options->address,
        .token = options->token_file ? token : NULL,
        .user_agent = "balancectl/" BALANCED_VERSION,
        .tls = pem->ca ? &tls : NULL,
    };
    *ret = balances_open(&how, &why);
    if (*ret)
        return 0;
    if (options->token_file)
        fprintf(stderr, "balancectl: --token-file: %s: %s\n", options->token_file, why);
    else
        fprintf(stderr, "balancectl: %s\n", why);
    return EXIT_OTHER;
}

static int connect_to(const struct options *options, struct balances **ret)
{
    struct pem_texts pem = {NULL, NULL, NULL};
    int status = read_pem(options, &pem);

    if (status == 0)
        status = open_with(options, &pem, ret);
    pem_texts_done(&pem);
    return status;
}

/* Whether a write may have taken place though its answer is an error. */
static bool is_outcome_unknown(int code)
{
    static const enum err unknown[] = {ERR_CANCELLED, ERR_UNKNOWN, ERR_DEADLINE, ERR_INTERNAL,
                                       ERR_UNAVAILABLE};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        if (err_grpc_code(unknown[i]) == code)
            return true;
    }
    return false;
}

/* What has no request id may be repeated as it is. */
static void say_how_to_repeat(ProtobufCMessage *request)
{
    fputs("balancectl: it may have taken place; the same command is safe to repeat", stderr);
    if (protobuf_c_message_descriptor_get_field_by_name(request->descriptor, "request_id")) {
        fputs(" with --request-id ", stderr);
        text_print(stderr, *field_text(request, "request_id"), SIZE_MAX);
    }
    putc('\n', stderr);
}

static int report(const struct options *options, const struct balances_answer *answer)
{
    fputs("balancectl: ", stderr);
    explain(stderr, answer);
    putc('\n', stderr);
    if (command_writes(options->command) && is_outcome_unknown(answer->code))
        say_how_to_repeat(options->request);
    return EXIT_STATUS + answer->code;
}

/* Whether the answers reach their reader. One that has read enough and left is no failure. */
static bool flush_output(int *ret_status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return true;
    *ret_status = 0;
    if (errno != EPIPE) {
        fprintf(stderr, "balancectl: cannot write the answer: %s\n", strerror(errno));
        *ret_status = EXIT_OTHER;
    }
    return false;
}

/* Prints one answer. The next page's token, which lives as long as the answer, or NULL. */
static const char *print_answer(const struct options *options, struct view *view,
                                ProtobufCMessage *answer)
{
    if (options->output == OUTPUT_JSON)
        json_print(stdout, answer);
    else
        view_page(view, answer, stdout);
    if (!protobuf_c_message_descriptor_get_field_by_name(answer->descriptor, "next_page"))
        return NULL;
    const char *next = *field_text(answer, "next_page");
    return *next ? next : NULL;
}

static void print_more(const char *next)
{
    fputs("There is more: --page ", stderr);
    text_print(stderr, next, SIZE_MAX);
    putc('\n', stderr);
}

static void finish_table(const struct view *view, const char *next)
{
    if (view_missing(view))
        fprintf(stderr, "No %s found.\n", view_missing(view));
    if (view_caveat(view))
        fprintf(stderr, "%s\n", view_caveat(view));
    if (next)
        print_more(next);
}

static void ask(const struct options *options, struct balances *server, struct balances_answer *ret)
{
    const struct balances_call call = {
        .service = options->command->service,
        .method = options->command->method,
        .request = options->request,
        .timeout_ms = options->timeout_ms,
    };
    balances_call(server, &call, ret);
}

/* Prints a page and turns the request to the next one. `*ret_more`: there is one and it is wanted.
 */
static int show(struct options *options, struct view *view, ProtobufCMessage *answer,
                bool *ret_more)
{
    bool is_table = options->output == OUTPUT_TABLE;
    int status = 0;
    errno = 0; /* what it is afterwards comes from writing */
    const char *next = print_answer(options, view, answer);
    bool more = next && options->all_pages;
    if (is_table && !more)
        view_end(view, stdout);
    if (!flush_output(&status))
        return status;
    if (is_table && !more)
        finish_table(view, next);
    if (more && strcmp(next, *field_text(options->request, "next_page")) == 0) {
        fputs("balancectl: the server names the same page again\n", stderr);
        return EXIT_OTHER;
    }
    if (more)
        field_replace_text(options->request, "next_page", next);
    *ret_more = more;
    return 0;
}

/* A standard stream that the caller closed would be the number of the connection's descriptor.
 * Where it was to be written to, writing fails. */
static void hold_standard_streams(void)
{
    while (true) {
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (fd > STDERR_FILENO)
            close(fd);
        if (fd < 0 || fd > STDERR_FILENO)
            return;
    }
}

int main(int argc, char **argv)
{
    hold_standard_streams();
    /* Widths of characters; C.UTF-8 is there in every installation. */
    setlocale(LC_CTYPE, "C.UTF-8");
    /* A reader that leaves shows as EPIPE. */
    signal(SIGPIPE, SIG_IGN);
    /* gRPC's own log would add lines to the one that says what is wrong. */
    setenv("GRPC_VERBOSITY", "NONE", 0);

    struct options options;
    options_parse(argc, argv, &options);
    struct balances *server = NULL;
    struct terminal terminal = terminal_look();
    struct view *view = view_create(options.command->view, options.request, &terminal);
    int status = connect_to(&options, &server);
    for (bool more = status == 0; more;) {
        struct balances_answer answer;
        more = false;
        ask(&options, server, &answer);
        status = answer.code == 0 ? show(&options, view, answer.reply, &more)
                                  : report(&options, &answer);
        balances_answer_done(&answer);
    }

    balances_close(server);
    view_free(view);
    options_done(&options);
    return status;
}

/* The command line of balancectl. */
#pragma once

#include <argp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <protobuf-c/protobuf-c.h>

#include "client/commands.h"

enum output {
    OUTPUT_TABLE,
    OUTPUT_JSON,
};

enum {
    EXIT_USAGE = 2, /* the command line is wrong */
};

/* Text is borrowed from the arguments and the environment. */
struct options {
    const struct command *command;
    ProtobufCMessage *request; /* of the command's type; owned */
    const char *address;
    const char *token_file; /* NULL for none, like the following */
    const char *ca_file;    /* of TLS, without which there is none */
    const char *certificate_file, *key_file;
    int64_t timeout_ms;
    enum output output;
    bool all_pages;
};

/* What the manual page takes from --help. */
extern const struct argp_option program_options[]; /* ends with one without a name */
extern const char about_tables[], about_exit[], all_pages_flag[], all_pages_doc[];

/* Commands that ask no server. */
struct local_command {
    const char *name, *doc;
    void (*print)(FILE *out);
};
extern const struct local_command local_commands[]; /* ends with one without a name */

/* The arguments must be main()'s: some are rewritten. Ends the program with status 2 and a line
 * that names the flag and what it takes if something is wrong, with 0 after --help and --version.
 */
void options_parse(int argc, char **argv, struct options *ret);
void options_done(struct options *options);

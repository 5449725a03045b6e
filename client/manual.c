#include "client/manual.h"

#include <string.h>

#include "client/commands.h"
#include "client/flags.h"
#include "client/options.h"

/* ---- the manual page ---- */

/* Text of roff: nothing in it is a request or an escape. */
static void print_text(FILE *out, const char *text)
{
    for (const char *c = text; *c; c++) {
        if (*c == '\\')
            fputs("\\e", out);
        else if (*c == '-')
            fputs("\\-", out);
        else if ((*c == '.' || *c == '\'') && (c == text || c[-1] == '\n'))
            fprintf(out, "\\&%c", *c);
        else
            putc(*c, out);
    }
    putc('\n', out);
}

static void print_flag(FILE *out, char key, const char *name, const char *arg, const char *doc)
{
    fputs(".TP\n.B ", out);
    if (key)
        fprintf(out, "\\-%c, ", key);
    fputs("\\-\\-", out);
    char title[128];
    snprintf(title, sizeof title, "%s%s%s", name, arg ? "=" : "", arg ? arg : "");
    print_text(out, title);
    print_text(out, doc);
}

static void print_command(FILE *out, const struct command *command)
{
    ProtobufCMessage *request = command_request(command);
    fputs(".SS ", out);
    print_text(out, command->name);
    print_text(out, command->doc);
    for (size_t i = 0; i < request_flag_count; i++) {
        const struct request_flag *flag = &request_flags[i];
        if (flag_field(flag, command, request->descriptor))
            print_flag(out, 0, flag->name, flag->arg, flag->doc);
    }
    if (command_pages(command))
        print_flag(out, 0, all_pages_flag, NULL, all_pages_doc);
    protobuf_c_message_free_unpacked(request, NULL);
}

void manual_print(FILE *out)
{
    fputs(".TH BALANCECTL 1 \"\" \"balancectl " BALANCED_VERSION "\" \"User Commands\"\n"
          ".SH NAME\nbalancectl \\- asks a balances server what a customer can still spend\n"
          ".SH SYNOPSIS\n.B balancectl\n.I COMMAND\n.RI [ OPTION ...]\n"
          ".SH DESCRIPTION\n",
          out);
    print_text(out, about_tables);
    fputs(".SH COMMANDS\n", out);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        print_command(out, &commands[i]);
    for (const struct local_command *local = local_commands; local->name; local++) {
        fputs(".SS ", out);
        print_text(out, local->name);
        print_text(out, local->doc);
    }
    fputs(".SH OPTIONS\nBefore or after the command:\n", out);
    for (const struct argp_option *option = program_options; option->name; option++)
        print_flag(out, option->key < 0x80 ? (char)option->key : '\0', option->name, option->arg,
                   option->doc);
    fputs(".SH EXIT STATUS\n", out);
    print_text(out, about_exit);
    fputs(".SH ENVIRONMENT\n.TP\n.B BALANCECTL_ADDRESS\nThe server, where \\-\\-address does not "
          "say.\n.TP\n.B COLUMNS\nHow wide tables and charts may be.\n",
          out);
}

/* ---- completion ---- */

static void print_words(FILE *out, const struct command *command)
{
    ProtobufCMessage *request = command_request(command);
    for (size_t i = 0; i < request_flag_count; i++) {
        const struct request_flag *flag = &request_flags[i];
        if (flag_field(flag, command, request->descriptor))
            fprintf(out, "--%s%s ", flag->name, flag->arg ? "=" : "");
    }
    if (command_pages(command))
        fprintf(out, "--%s ", all_pages_flag);
    protobuf_c_message_free_unpacked(request, NULL);
}

static void print_program_words(FILE *out)
{
    for (const struct argp_option *option = program_options; option->name; option++)
        fprintf(out, "--%s= ", option->name);
    fputs("--help", out);
}

void completion_print(FILE *out)
{
    fputs("_balancectl() {\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} words i\n"
          "    local command=\n"
          "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
          "        case ${COMP_WORDS[i]} in\n        ",
          out);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(out, "%s%s", i > 0 ? " | " : "", commands[i].name);
    fputs(") command=${COMP_WORDS[i]} ;;\n        esac\n    done\n    case $command in\n    '') "
          "words='",
          out);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(out, "%s ", commands[i].name);
    for (const struct local_command *local = local_commands; local->name; local++)
        fprintf(out, "%s ", local->name);
    print_program_words(out);
    fputs("' ;;\n", out);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        fprintf(out, "    %s) words='", commands[i].name);
        print_words(out, &commands[i]);
        print_program_words(out);
        fputs("' ;;\n", out);
    }
    fputs("    esac\n"
          "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
          "    [[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace 2> /dev/null\n"
          "}\n"
          "complete -F _balancectl balancectl\n",
          out);
}

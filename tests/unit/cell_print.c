/* What tests/system/test_cell.py compares with a real PostgreSQL: reads values in its binary format
 * and writes parameters in it, a line for each line of standard input.
 *
 *     read TYPES HEX     the value is an array of records with columns of these types: prints them,
 * or "bad". Each shorter prefix of it has to be bad too write TYPE TEXT    the parameter in
 * hexadecimal
 *
 * Types: u id, n amount, t instant, i integer, d double, b boolean, s text, S array of texts. Texts
 * are in hexadecimal everywhere, and "-" is null. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sql/args.h"
#include "sql/cell.h"

enum { LINE_MAX_BYTES = 1 << 20, TEXTS_MAX = 64 };

static void require(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "cell_print: %s\n", what);
        exit(1);
    }
}

static size_t from_hex(const char *hex, uint8_t *ret)
{
    size_t len = 0;

    for (; *hex; hex += 2) {
        char digits[3] = {hex[0], hex[1], '\0'}, *end;
        ret[len++] = (uint8_t)strtoul(digits, &end, 16);
        require(end == digits + 2, "no hexadecimal number");
    }
    return len;
}

static void print_hex(FILE *out, const void *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        fprintf(out, "%02x", ((const uint8_t *)data)[i]);
}

static struct sql_cell only_cell(const void *result, int row, int column)
{
    require(row == 0 && column == 0, "another cell");
    return *(const struct sql_cell *)result;
}

static void print_texts(FILE *out, struct sql_reader *r)
{
    struct sql_array a = read_array(r);
    struct sql_cell cell;

    fputc('[', out);
    while (array_next(r, &a, &cell)) {
        fputc(' ', out);
        if (cell.len < 0)
            fputc('-', out);
        else
            print_hex(out, cell.data, (size_t)cell.len);
    }
    fputs(" ]", out);
}

static void print_value(FILE *out, struct sql_reader *r, char type)
{
    struct bytes text;
    struct id id;

    if (read_null(r)) {
        fputs(" -", out);
        return;
    }
    fputc(' ', out);
    switch (type) {
    case 'u':
        id = read_id(r);
        fputs(id_format(&id).text, out);
        break;
    case 'n':
        fputs(amount_format(read_amount(r)).text, out);
        break;
    case 't':
        fprintf(out, "%" PRId64, read_instant(r));
        break;
    case 'i':
        fprintf(out, "%" PRId64, read_int(r));
        break;
    case 'd':
        fprintf(out, "%.17g", read_double(r));
        break;
    case 'b':
        fputs(read_bool(r) ? "true" : "false", out);
        break;
    case 's':
        text = read_text(r);
        print_hex(out, text.data, text.len);
        break;
    case 'S':
        print_texts(out, r);
        break;
    default:
        require(false, "no such type");
    }
}

/* The value in memory of its own size, so that reading beyond it shows. */
static bool read_records(FILE *out, const char *types, const uint8_t *data, size_t len)
{
    uint8_t *exact = malloc(len);
    struct sql_cell cell = {exact, (int)len};
    struct sql_reader r = reader_of_row(only_cell, &cell, 0, 1), record;

    require(exact || len == 0, "no memory");
    if (len > 0)
        memcpy(exact, data, len);
    struct sql_array a = read_array(&r);
    while (array_next_record(&r, &a, &record)) {
        for (const char *type = types; *type; type++)
            print_value(out, &record, *type);
        fputs(" ;", out);
        array_record_done(&r, &record);
    }
    free(exact);
    return reader_ok(&r);
}

static void read_line(const char *types, const char *hex)
{
    static uint8_t data[LINE_MAX_BYTES];
    size_t len = from_hex(hex, data);
    char *text = NULL;
    size_t text_len = 0;

    FILE *out = open_memstream(&text, &text_len);
    require(out, "no memory");
    bool good = read_records(out, types, data, len);
    fclose(out);
    puts(good ? text : "bad");
    free(text);
    FILE *nowhere = fopen("/dev/null", "w");
    require(nowhere, "no /dev/null");
    for (size_t cut = 0; cut < len; cut++)
        require(!read_records(nowhere, types, data, cut), "a part of a value was accepted");
    fclose(nowhere);
}

/* Texts one after the other, each with a blank before it. */
static void write_texts(struct sql_args *args, struct arena *arena, char *line)
{
    const char *texts[TEXTS_MAX];
    size_t count = 0;

    for (char *word, *rest = line; (word = strtok_r(rest, " ", &rest)); count++) {
        require(count < TEXTS_MAX, "too many texts");
        size_t len = from_hex(word, (uint8_t *)word);
        word[len] = '\0';
        texts[count] = word;
    }
    require(args_texts(args, arena, texts, count) == ERR_OK, "no memory");
}

static void write_line(char type, char *text)
{
    struct arena_pool pool;
    struct arena arena;
    struct sql_args args = {.count = 0};
    struct id id;

    arena_pool_init(&pool, ARENA_POOL_BYTES_MAX);
    arena_init(&arena, &pool, ARENA_BYTES_MAX);
    switch (type) {
    case 'u':
        require(id_parse(text, &id) == ERR_OK, "no id");
        args_id(&args, &id);
        break;
    case 't':
        args_instant(&args, strtoll(text, NULL, 10));
        break;
    case 'i':
        args_int(&args, strtoll(text, NULL, 10));
        break;
    case 'b':
        args_bool(&args, strcmp(text, "true") == 0);
        break;
    case 'S':
        write_texts(&args, &arena, text);
        break;
    default:
        require(false, "no such type");
    }
    print_hex(stdout, args.values[0], (size_t)args.lengths[0]);
    putchar('\n');
    arena_reset(&arena);
    arena_pool_done(&pool);
}

int main(void)
{
    static char line[LINE_MAX_BYTES];

    while (fgets(line, sizeof line, stdin)) {
        char *rest = line;
        line[strcspn(line, "\n")] = '\0';
        const char *verb = strtok_r(rest, " ", &rest);
        const char *types = strtok_r(rest, " ", &rest);
        require(verb && types, "half a line");
        if (strcmp(verb, "read") == 0)
            read_line(types, rest);
        else
            write_line(*types, rest);
    }
    return 0;
}

/* Values from PostgreSQL: every shape that its *_send functions write, and every way in which bytes
 * may be something else. Long hexadecimal texts are from a real server. */
#include "rows_kit.h"

/* ---- amounts ---- */

static enum err amount_of(const char *hex, amount *ret)
{
    struct row row = {.count = 0};

    row_add_hex(&row, hex);
    enum err err = cell_amount(row.cells[0], ret);
    struct sql_reader r = row_reader(&row);
    amount value = read_amount(&r);
    assert_int_equal(reader_ok(&r), err == ERR_OK);
    assert_true(value == (err == ERR_OK ? *ret : 0));
    row_free(&row);
    return err;
}

static void amount_is_exact(void **state)
{
    (void)state;
    static const struct {
        const char *hex, *text;
    } rows[] = {
        {"0000000000000000", "0"},
        {"0000000000000002", "0"}, /* 0.00 */
        {"00010000000000000001", "1"},
        {"00010000400000000001", "-1"},
        {"0001ffff000000011388", "0.5"},
        {"0001000000000000007d", "125"},
        {"0001000000000000270f", "9999"},
        {"00010001000000000001", "10000"},
        {"00010002000000000001", "100000000"},
        {"00010000000000030064", "100"}, /* 100.000 */
        {"000200000000000200011388", "1.5"},
        {"0003000100000004000100000001", "10000.0001"},
        {"000500010000000c04d2162e0000000004d2", "12345678.000000001234"},
        {"0001fffd0000000c0001", "0.000000000001"},
        {"0001fffd4000000c0001", "-0.000000000001"},
        {"0001000600000000000a", "10000000000000000000000000"},
        {"000a00060000000c0063270f270f270f270f270f270f270f270f270f",
         "99999999999999999999999999.999999999999"},
        {"000a00064000000c0063270f270f270f270f270f270f270f270f270f",
         "-99999999999999999999999999.999999999999"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        amount value;
        assert_int_equal(amount_of(rows[i].hex, &value), ERR_OK);
        assert_string_equal(amount_format(value).text, rows[i].text);
    }
}

static void amount_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *hex;
        enum err err;
    } rows[] = {
        {"00000000c0000000", ERR_INTERNAL},       /* NaN */
        {"00000000d0000020", ERR_INTERNAL},       /* infinity */
        {"00000000f0000020", ERR_INTERNAL},       /* minus infinity */
        {"00010006000000000064", ERR_RANGE},      /* 10^26 */
        {"00010006400000000064", ERR_RANGE},      /* -10^26 */
        {"0001000a000000000001", ERR_RANGE},      /* 10^40: more than 128 bits hold */
        {"00017fff00000000270f", ERR_RANGE},      /* the largest that there is */
        {"0001fffc0000000d03e8", ERR_RANGE},      /* 10^-13 */
        {"0001fffc000000100001", ERR_RANGE},      /* 10^-16 */
        {"00018000000000000001", ERR_RANGE},      /* the smallest weight */
        {"00010000000000002710", ERR_RANGE},      /* a digit of 10000 */
        {"0001000000000000ffff", ERR_RANGE},      /* a digit of 65535 */
        {"0000", ERR_INTERNAL},                   /* short */
        {"", ERR_INTERNAL},                       /* empty */
        {"00010000000000", ERR_INTERNAL},         /* short by one byte */
        {"0001000000000000", ERR_INTERNAL},       /* without its digit */
        {"00010000000000000001ff", ERR_INTERNAL}, /* with a byte too many */
        {"ffff0000000000000001", ERR_INTERNAL},   /* a count of 65535 */
        {"00010000000100000001", ERR_INTERNAL},   /* a sign that is none */
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        amount value = 7;
        assert_int_equal(amount_of(rows[i].hex, &value), rows[i].err);
        assert_true(value == 7);
    }
}

/* ---- rows ---- */

static void values_are_read_in_order(void **state)
{
    (void)state;
    struct row row = {.count = 0};
    struct id id;

    row_add_hex(&row, row_id_hex);
    row_add_hex(&row, "fffca2fec4c81fff");
    row_add_hex(&row, "fffe");
    row_add_hex(&row, "fffffffe");
    row_add_hex(&row, "7fffffffffffffff");
    row_add_hex(&row, "3ff8000000000000");
    row_add_hex(&row, "01");
    row_add_hex(&row, "00");
    row_add_text(&row, "CREDIT");
    row_add_text(&row, "");
    row_add(&row, NULL);
    row_add_hex(&row, row_id_hex);
    struct sql_reader r = row_reader(&row);
    id = read_id(&r);
    assert_string_equal(id_format(&id).text, "2714e483-4ff1-48e4-9e25-ac732e8f24f2");
    assert_int_equal(read_instant(&r), -1);
    assert_int_equal(read_int(&r), -2);
    assert_int_equal(read_int(&r), -2);
    assert_true(read_int(&r) == INT64_MAX);
    assert_true(read_double(&r) == 1.5);
    assert_true(read_bool(&r));
    assert_false(read_bool(&r));
    assert_false(read_null(&r));
    struct bytes text = read_text(&r);
    assert_int_equal(text.len, 6);
    assert_memory_equal(text.data, "CREDIT", 6);
    assert_int_equal(read_text(&r).len, 0);
    assert_true(read_null(&r));
    assert_false(read_null(&r));
    id = read_id(&r);
    assert_true(reader_ok(&r));
    row_free(&row);
}

static void instants_of_our_years_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *hex;
        bool ok;
        instant at;
    } rows[] = {
        {"0000000000000000", true, INT64_C(946684800000000)},
        {"fffca2fec4c81fff", true, -1},
        {"ff1fe2ffc59c6000", true, INT64_C(-62135596800000000)}, /* 0001-01-01 */
        {"0380e70b913b7fff", true, INT64_C(253402300799999999)}, /* 9999-12-31 23:59:59.999999 */
        {"ff1fe2ffc59c5fff", false, 0},                          /* the year before */
        {"0380e70b913b8000", false, 0},                          /* the year after */
        {"7fffffffffffffff", false, 0},                          /* infinity */
        {"8000000000000000", false, 0},                          /* minus infinity */
        {"00000000", false, 0},
        {"000000000000000000", false, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct row row = {.count = 0};
        row_add_hex(&row, rows[i].hex);
        struct sql_reader r = row_reader(&row);
        assert_int_equal(read_instant(&r), rows[i].at);
        assert_int_equal(reader_ok(&r), rows[i].ok);
        row_free(&row);
    }
}

/* Reads the next value as each type in turn; all of them are zero or empty where it is bad. */
static void read_as(struct sql_reader *r, int type)
{
    static const struct id no_id;
    struct id id;

    switch (type) {
    case 0:
        id = read_id(r);
        assert_true(reader_ok(r) || id_equal(&id, &no_id));
        break;
    case 1:
        assert_true(read_amount(r) == 0 || reader_ok(r));
        break;
    case 2:
        assert_true(read_instant(r) == 0 || reader_ok(r));
        break;
    case 3:
        assert_true(read_int(r) == 0 || reader_ok(r));
        break;
    case 4:
        assert_true(read_double(r) == 0 || reader_ok(r));
        break;
    case 5:
        assert_true(!read_bool(r) || reader_ok(r));
        break;
    default:
        assert_true(read_text(r).len == 0 || reader_ok(r));
        break;
    }
}

enum { TYPES = 7 };

static void null_and_what_is_missing_are_bad(void **state)
{
    (void)state;
    for (int type = 0; type < TYPES; type++) {
        struct row row = {.count = 0};
        row_add(&row, NULL);
        struct sql_reader r = row_reader(&row);
        read_as(&r, type);
        assert_false(reader_ok(&r));
        r = row_reader(&row);
        assert_true(read_null(&r));
        assert_true(reader_ok(&r));
        read_as(&r, type); /* beyond the last column */
        assert_false(reader_ok(&r));
        row_free(&row);
    }
    struct row empty = {.count = 0};
    struct sql_reader r = row_reader(&empty);
    assert_false(read_null(&r));
    assert_false(reader_ok(&r));
}

static void bad_reader_stays_bad(void **state)
{
    (void)state;
    struct row row = {.count = 0};
    struct sql_cell cell;

    row_add_hex(&row, "ff");
    for (int i = 0; i < TYPES + 2; i++)
        row_add_hex(&row, "0000000000000000");
    struct sql_reader r = row_reader(&row);
    (void)read_id(&r);
    assert_false(reader_ok(&r));
    for (int type = 0; type < TYPES; type++)
        read_as(&r, type);
    assert_false(read_null(&r));
    struct sql_array a = read_array(&r);
    assert_int_equal(a.count, 0);
    assert_false(array_next(&r, &a, &cell));
    assert_false(reader_ok(&r));
    row_free(&row);
}

static void wrong_length_is_bad(void **state)
{
    (void)state;
    static const struct {
        int type;
        const char *lengths; /* the good ones, as digits of base 36 */
    } rows[] = {{0, "g"}, {2, "8"}, {3, "248"}, {4, "8"}, {5, "1"}};

    for (size_t i = 0; i < COUNT(rows); i++) {
        for (size_t len = 0; len <= 20; len++) {
            struct build zeros = {.len = len};
            struct row row = {.count = 0};
            row_add(&row, &zeros);
            struct sql_reader r = row_reader(&row);
            read_as(&r, rows[i].type);
            assert_int_equal(reader_ok(&r),
                             strchr(rows[i].lengths, "0123456789abcdefghijk"[len]) != NULL);
            row_free(&row);
        }
    }
}

/* ---- arrays and records ---- */

static void array_elements_come_in_order(void **state)
{
    (void)state;
    struct row row = {.count = 0};
    struct sql_cell cell;

    row_add_hex(&row, "0000000100000001000000190000000200000001"
                      "0000000161ffffffff");       /* {a,NULL} */
    row_add_hex(&row, "000000000000000000000019"); /* {} */
    row_add(&row, NULL);
    struct sql_reader r = row_reader(&row);
    struct sql_array a = read_array(&r);
    assert_int_equal(a.count, 2);
    assert_true(array_next(&r, &a, &cell));
    assert_int_equal(cell.len, 1);
    assert_int_equal(cell.data[0], 'a');
    assert_true(array_next(&r, &a, &cell));
    assert_int_equal(cell.len, -1);
    assert_false(array_next(&r, &a, &cell));
    for (int i = 0; i < 2; i++) {
        a = read_array(&r);
        assert_int_equal(a.count, 0);
        assert_false(array_next(&r, &a, &cell));
    }
    assert_true(reader_ok(&r));
    row_free(&row);
}

static void array_of_another_shape_is_bad(void **state)
{
    (void)state;
    static const char *const hexes[] = {
        "",
        "00000000",
        "0000000000000000000000", /* short by one byte */
        "00000002000000000000001900000002000000010000000200000001"
        "00000001610000000162000000016300000001" /* two dimensions */
        "64",
        "ffffffff0000000000000019",                           /* a negative number of them */
        "000000010000000000000019",                           /* without its length */
        "0000000100000000000000190000000100000001",           /* without its element */
        "0000000100000000000000197fffffff000000010000000161", /* 2^31 - 1 elements */
        "000000010000000000000019ffffffff000000010000000161", /* -1 elements */
    };
    for (size_t i = 0; i < COUNT(hexes); i++) {
        struct row row = {.count = 0};
        struct sql_cell cell;
        row_add_hex(&row, hexes[i]);
        struct sql_reader r = row_reader(&row);
        struct sql_array a = read_array(&r);
        assert_false(array_next(&r, &a, &cell));
        assert_false(reader_ok(&r));
        row_free(&row);
    }
}

static void array_element_beyond_the_end_is_bad(void **state)
{
    (void)state;
    static const char *const lengths[] = {"00000002", "7fffffff", "80000000", "fffffffe"};

    for (size_t i = 0; i < COUNT(lengths); i++) {
        struct row row = {.count = 0};
        struct build b = {.len = 0};
        struct sql_cell cell;
        build_array_head(&b, 1);
        build_hex(&b, lengths[i]);
        build_hex(&b, "61");
        row_add(&row, &b);
        struct sql_reader r = row_reader(&row);
        struct sql_array a = read_array(&r);
        assert_int_equal(a.count, 1);
        assert_false(array_next(&r, &a, &cell));
        assert_false(reader_ok(&r));
        row_free(&row);
    }
}

static void null_record_is_bad(void **state)
{
    (void)state;
    struct row row = {.count = 0};
    struct build b = {.len = 0};
    struct sql_reader record;

    build_array_head(&b, 1);
    build_element(&b, NULL);
    row_add(&row, &b);
    struct sql_reader r = row_reader(&row);
    struct sql_array a = read_array(&r);
    assert_true(array_next_record(&r, &a, &record));
    assert_false(reader_ok(&record));
    (void)read_text(&record);
    array_record_done(&r, &record);
    assert_false(reader_ok(&r));
    row_free(&row);
}

/* ARRAY[ROW(1::int, 2::bigint, 'x'::text, NULL::uuid, ARRAY['a', 'b'])], as the server sends it. */
static const char records_hex[] =
    "0000000100000000000008c90000000100000001"
    "00000057"
    "0000000500000017000000040000000100000014000000080000000000000002"
    "00000019000000017800000b86ffffffff000003f1"
    "0000001e000000010000000000000019000000020000000100000001610000000162";

/* Reads such a value to its end; whether all of it was there. */
static bool read_records(const struct row *row)
{
    struct sql_reader r = row_reader(row), record;
    struct sql_array a = read_array(&r);
    struct sql_cell cell;
    int texts = 0;

    while (array_next_record(&r, &a, &record)) {
        bool good = read_int(&record) == 1 && read_int(&record) == 2;
        good = read_text(&record).len == 1 && good;
        good = read_null(&record) && good;
        struct sql_array nested = read_array(&record);
        while (array_next(&record, &nested, &cell))
            texts += cell.len == 1;
        array_record_done(&r, &record);
        assert_true(good || !reader_ok(&r));
    }
    return reader_ok(&r) && texts == 2;
}

static void record_with_nested_array_is_read(void **state)
{
    (void)state;
    struct row row = {.count = 0};

    row_add_hex(&row, records_hex);
    assert_true(read_records(&row));
    row_free(&row);
}

static void record_cut_anywhere_is_bad(void **state)
{
    (void)state;
    struct build whole = build_of_hex(records_hex);

    for (size_t len = 0; len < whole.len; len++) {
        struct build cut = whole;
        struct row row = {.count = 0};
        cut.len = len;
        row_add(&row, &cut);
        assert_false(read_records(&row));
        row_free(&row);
    }
}

/* Nothing beyond the value is looked at, whatever its lengths say: ASan watches. */
static void record_with_any_byte_changed_is_read_within_bounds(void **state)
{
    (void)state;
    static const uint8_t changes[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    struct build whole = build_of_hex(records_hex);

    for (size_t at = 0; at < whole.len; at++) {
        for (size_t i = 0; i < COUNT(changes); i++) {
            struct build changed = whole;
            struct row row = {.count = 0};
            changed.bytes[at] = changes[i];
            row_add(&row, &changed);
            struct sql_reader r = row_reader(&row), record;
            struct sql_array a = read_array(&r);
            while (array_next_record(&r, &a, &record)) {
                while (reader_ok(&record))
                    (void)read_text(&record);
                array_record_done(&r, &record);
            }
            row_free(&row);
        }
    }
}

static void record_of_other_columns_is_bad(void **state)
{
    (void)state;
    for (int wanted = 0; wanted <= 3; wanted++) {
        struct build x = build_of_text("x"), record_bytes = {.len = 0}, b = {.len = 0};
        struct row row = {.count = 0};
        struct sql_reader record;
        build_int(&record_bytes, 2, 4);
        build_field(&record_bytes, &x);
        build_field(&record_bytes, &x);
        build_array_head(&b, 1);
        build_element(&b, &record_bytes);
        row_add(&row, &b);
        struct sql_reader r = row_reader(&row);
        struct sql_array a = read_array(&r);
        assert_true(array_next_record(&r, &a, &record));
        for (int i = 0; i < wanted; i++)
            (void)read_text(&record);
        array_record_done(&r, &record);
        assert_int_equal(reader_ok(&r), wanted == 2);
        row_free(&row);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(amount_is_exact),
        cmocka_unit_test(amount_that_does_not_fit_is_refused),
        cmocka_unit_test(values_are_read_in_order),
        cmocka_unit_test(instants_of_our_years_are_read),
        cmocka_unit_test(null_and_what_is_missing_are_bad),
        cmocka_unit_test(bad_reader_stays_bad),
        cmocka_unit_test(wrong_length_is_bad),
        cmocka_unit_test(array_elements_come_in_order),
        cmocka_unit_test(array_of_another_shape_is_bad),
        cmocka_unit_test(array_element_beyond_the_end_is_bad),
        cmocka_unit_test(null_record_is_bad),
        cmocka_unit_test(record_with_nested_array_is_read),
        cmocka_unit_test(record_cut_anywhere_is_bad),
        cmocka_unit_test(record_with_any_byte_changed_is_read_within_bounds),
        cmocka_unit_test(record_of_other_columns_is_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

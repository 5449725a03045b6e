/* Parameters in PostgreSQL's binary format, against bytes that its own *_send functions made
 * (tests/system/test_cell.py asks a running one). */
#include "kit.h"

#include "sql/args.h"

static struct sql_args args;
static struct arena_pool pool;
static struct arena arena;

static int open_args(void **state)
{
    (void)state;
    memset(&args, 0, sizeof args);
    arena_pool_init(&pool, ARENA_POOL_BYTES_MAX);
    arena_init(&arena, &pool, ARENA_BYTES_MAX);
    return 0;
}

static int close_args(void **state)
{
    (void)state;
    arena_reset(&arena);
    arena_pool_done(&pool);
    return 0;
}

static void assert_arg(int index, const char *hex)
{
    char got[256] = "";

    assert_true(index < args.count);
    assert_non_null(args.values[index]);
    for (int i = 0; i < args.lengths[index]; i++)
        snprintf(got + 2 * i, 3, "%02x", (unsigned char)args.values[index][i]);
    assert_string_equal(got, hex);
}

static void args_are_as_postgresql_writes_them(void **state)
{
    (void)state;
    static const char *const texts[] = {"a", "", "na\xc3\xafve"};
    struct id id;

    assert_int_equal(id_parse("2714e483-4ff1-48e4-9e25-ac732e8f24f2", &id), ERR_OK);
    args_id(&args, &id);
    args_bool(&args, true);
    args_bool(&args, false);
    args_int(&args, -2);
    args_int(&args, INT64_MAX);
    args_text(&args, bytes_text("CREDIT"));
    assert_int_equal(args_texts(&args, &arena, texts, COUNT(texts)), ERR_OK);
    assert_int_equal(args_texts(&args, &arena, NULL, 0), ERR_OK);
    static const char *const with_null[] = {NULL, "a"};
    static const instant instants[] = {INT64_C(946684800000000), INT64_C(946684799999999)};
    args_double(&args, -1.5);
    assert_int_equal(args_texts(&args, &arena, with_null, COUNT(with_null)), ERR_OK);
    assert_int_equal(args_ids(&args, &arena, &id, 1), ERR_OK);
    assert_int_equal(args_instants(&args, &arena, instants, COUNT(instants)), ERR_OK);
    assert_int_equal(args_ids(&args, &arena, NULL, 0), ERR_OK);
    static const struct bytes bytes[] = {{(const uint8_t *)"\0\xff", 2}, {(const uint8_t *)"", 0}};
    assert_int_equal(args_byteas(&args, &arena, bytes, COUNT(bytes)), ERR_OK);
    assert_int_equal(args.count, 14);
    assert_arg(13, "000000010000000000000011"
                   "0000000200000001"
                   "0000000200ff"
                   "00000000");
    assert_arg(8, "bff8000000000000");
    assert_arg(9, "000000010000000000000019"
                  "0000000200000001"
                  "ffffffff"
                  "0000000161");
    assert_arg(10, "000000010000000000000b86"
                   "0000000100000001"
                   "000000102714e4834ff148e49e25ac732e8f24f2");
    assert_arg(11, "0000000100000000000004a0"
                   "0000000200000001"
                   "000000080000000000000000"
                   "00000008ffffffffffffffff");
    assert_arg(12, "000000000000000000000b86");
    assert_arg(0, "2714e4834ff148e49e25ac732e8f24f2");
    assert_arg(1, "01");
    assert_arg(2, "00");
    assert_arg(3, "fffffffffffffffe");
    assert_arg(4, "7fffffffffffffff");
    assert_arg(5, "435245444954");
    assert_arg(6, "0000000100000000000000190000000300000001"
                  "0000000161"
                  "00000000"
                  "000000066e61c3af7665");
    assert_arg(7, "000000000000000000000019");
}

static void args_instants_count_from_2000(void **state)
{
    (void)state;
    args_instant(&args, INT64_C(946684800000000));
    args_instant(&args, -1);
    args_instant(&args, INT64_C(-62135596800000000));
    args_instant(&args, INT64_C(253402300799999999));
    assert_arg(0, "0000000000000000");
    assert_arg(1, "fffca2fec4c81fff");
    assert_arg(2, "ff1fe2ffc59c6000");
    assert_arg(3, "0380e70b913b7fff");
}

static void args_null_is_no_empty_text(void **state)
{
    (void)state;
    args_null(&args);
    args_text(&args, bytes_of("", 0));
    assert_null(args.values[0]);
    assert_non_null(args.values[1]);
    assert_int_equal(args.lengths[1], 0);
}

static void args_small_values_are_kept_inside(void **state)
{
    (void)state;
    struct id id = id_random(), kept = id;

    for (int i = 0; i < SQL_PARAMS_MAX; i++)
        args_id(&args, &id);
    memset(&id, 0, sizeof id);
    for (int i = 0; i < SQL_PARAMS_MAX; i++)
        assert_memory_equal(args.values[i], kept.bytes, sizeof kept.bytes);
}

static void args_texts_without_memory_is_exhausted(void **state)
{
    (void)state;
    static const char *const texts[] = {"CREDIT_MANUAL", "CREDIT_EXPIRATION"};
    bool failed = false, succeeded = false;

    for (size_t left = 0; left < 256; left += KIT_ARENA_STEP) {
        struct arena tight;
        args.count = 0;
        kit_arena(&tight, &pool, left);
        enum err err = args_texts(&args, &tight, texts, COUNT(texts));
        assert_int_equal(err, tight.full ? ERR_EXHAUSTED : ERR_OK);
        assert_int_equal(args.count, err == ERR_OK);
        failed |= err != ERR_OK;
        succeeded |= err == ERR_OK;
        arena_reset(&tight);
    }
    assert_true(failed && succeeded);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(args_are_as_postgresql_writes_them, open_args, close_args),
        cmocka_unit_test_setup_teardown(args_instants_count_from_2000, open_args, close_args),
        cmocka_unit_test_setup_teardown(args_null_is_no_empty_text, open_args, close_args),
        cmocka_unit_test_setup_teardown(args_small_values_are_kept_inside, open_args, close_args),
        cmocka_unit_test_setup_teardown(args_texts_without_memory_is_exhausted, open_args,
                                        close_args),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The arena: what it hands out is zeroed, aligned and apart, and what it refuses it remembers. */
#include "kit.h"

#if KIT_ASAN
#include <sanitizer/asan_interface.h>
#endif

enum { ROOM = 4 * ARENA_CHUNK_BYTES };

static struct arena_pool pool;

static int open_pool(void **state)
{
    (void)state;
    arena_pool_init(&pool, 8 * ROOM);
    return 0;
}

static int close_pool(void **state)
{
    (void)state;
    assert_int_equal(pool.bytes, 0);
    arena_pool_done(&pool);
    arena_pool_done(&pool); /* once more does no harm */
    return 0;
}

static void arena_alloc_is_zeroed_and_aligned(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 7, 16, 17, 255, 4095, 4096, 4097, ARENA_CHUNK_BYTES};
    static const uint8_t zeros[ARENA_CHUNK_BYTES];
    struct arena a;

    arena_init(&a, &pool, ROOM);
    /* The second round gets chunks that the first has written to. */
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < COUNT(sizes); i++) {
            uint8_t *p = arena_alloc(&a, sizes[i]);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
            assert_memory_equal(p, zeros, sizes[i]);
            memset(p, 0xa5, sizes[i]);
        }
        assert_false(a.full);
        arena_reset(&a);
        assert_int_equal(a.bytes, 0);
    }
}

static void arena_blocks_do_not_overlap(void **state)
{
    (void)state;
    enum { BLOCKS = 400 };
    struct {
        uint8_t *at;
        size_t size;
    } blocks[BLOCKS];
    struct kit_random random = kit_random_seeded();
    struct arena a;

    arena_init(&a, &pool, ROOM);
    for (int round = 0; round < 50; round++) {
        size_t count = 0;
        while (count < BLOCKS) {
            size_t size = 1 + kit_random_below(&random, 10) * kit_random_below(&random, 1000);
            uint8_t *at = arena_raw(&a, size);
            assert_true(a.bytes <= a.bytes_max && a.bytes == pool.bytes);
            if (!at)
                break;
            memset(at, (int)count, size);
            blocks[count].at = at;
            blocks[count++].size = size;
        }
        assert_int_equal(a.full, count < BLOCKS);
        for (size_t i = 0; i < count; i++) {
            for (size_t j = 0; j < blocks[i].size; j++)
                assert_int_equal(blocks[i].at[j], (uint8_t)i);
        }
        arena_reset(&a);
    }
}

static void arena_overflow_sets_flag(void **state)
{
    (void)state;
    struct arena a;

    arena_init(&a, &pool, ROOM);
    assert_null(arena_raw(&a, ROOM + 1));
    assert_true(a.full);
    assert_non_null(arena_raw(&a, 1)); /* what fits is still to be had, */
    assert_true(a.full);               /* and the flag stays */
    arena_reset(&a);
    assert_false(a.full);
    assert_non_null(arena_raw(&a, ROOM));
    assert_false(a.full);
    assert_null(arena_raw(&a, 1));
    assert_true(a.full);
    arena_reset(&a);
    assert_null(arena_raw(&a, SIZE_MAX));
    assert_true(a.full);
    arena_reset(&a);
}

static void arena_of_one_chunk_ends_with_it(void **state)
{
    (void)state;
    for (size_t left = 0; left <= 256; left += KIT_ARENA_STEP) {
        struct arena a;
        size_t got = 0;
        kit_arena(&a, &pool, left);
        assert_false(a.full);
        while (arena_raw(&a, KIT_ARENA_STEP))
            got += KIT_ARENA_STEP;
        assert_true(got <= left && a.full);
        arena_reset(&a);
    }
}

static void arena_no_bytes_are_not_no_memory(void **state)
{
    (void)state;
    struct arena a;

    arena_init(&a, &pool, ROOM);
    assert_non_null(arena_array(&a, 0, sizeof(void *)));
    assert_non_null(arena_raw(&a, 0));
    assert_false(a.full);
    arena_reset(&a);
}

static void arena_array_overflow_sets_flag(void **state)
{
    (void)state;
    struct arena a;

    arena_init(&a, &pool, ROOM);
    assert_null(arena_array(&a, SIZE_MAX / 8 + 1, 8));
    assert_true(a.full);
    arena_reset(&a);
    assert_non_null(arena_array(&a, 3, 8));
    arena_reset(&a);
}

static void arena_large_block_leaves_the_newest_chunk_in_use(void **state)
{
    (void)state;
    struct arena a;

    arena_init(&a, &pool, ROOM);
    assert_non_null(arena_raw(&a, 1));
    assert_int_equal(a.bytes, ARENA_CHUNK_BYTES);
    assert_non_null(arena_raw(&a, 2 * ARENA_CHUNK_BYTES));
    assert_int_equal(a.bytes, 3 * ARENA_CHUNK_BYTES);
    assert_non_null(arena_raw(&a, 1));
    assert_int_equal(a.bytes, 3 * ARENA_CHUNK_BYTES);
    arena_reset(&a);
}

static void arena_full_pool_sets_flag(void **state)
{
    (void)state;
    struct arena_pool small;
    struct arena a, b;

    arena_pool_init(&small, ARENA_CHUNK_BYTES);
    arena_init(&a, &small, ROOM);
    arena_init(&b, &small, ROOM);
    assert_non_null(arena_raw(&a, 1));
    assert_null(arena_raw(&b, 1));
    assert_null(arena_raw(&b, ARENA_CHUNK_BYTES));
    assert_true(b.full);
    assert_false(a.full); /* nobody else is harmed */
    arena_reset(&a);
    arena_reset(&b);
    assert_non_null(arena_raw(&b, 1));
    arena_reset(&b);
    arena_pool_done(&small);
}

static void arena_pool_keeps_few_chunks(void **state)
{
    (void)state;
    struct arena_pool large;
    struct arena a;

    arena_pool_init(&large, ARENA_POOL_BYTES_MAX);
    arena_init(&a, &large, ARENA_BYTES_MAX);
    for (int i = 0; i < 2 * ARENA_POOL_KEPT_MAX; i++) {
        assert_non_null(arena_raw(&a, ARENA_CHUNK_BYTES));
        assert_non_null(arena_raw(&a, 2 * ARENA_CHUNK_BYTES));
    }
    arena_reset(&a);
    assert_int_equal(large.kept_count, KIT_ASAN ? 0 : ARENA_POOL_KEPT_MAX);
    assert_int_equal(large.bytes, 0);
    arena_pool_done(&large);
    assert_int_equal(large.kept_count, 0);
}

static void arena_text_ends_with_zero(void **state)
{
    (void)state;
    struct arena a;

    arena_init(&a, &pool, ROOM);
    assert_string_equal(arena_text(&a, bytes_of("commit and credit", 6)), "commit");
    assert_string_equal(arena_text(&a, bytes_of("", 0)), "");
    assert_string_equal(arena_text(&a, bytes_of(NULL, 0)), "");
    assert_string_equal(arena_printf(&a, "%s[%d]", "filters", 7), "filters[7]");
    assert_int_equal(strlen(arena_printf(&a, "%*d", 3000, 1)), 3000);
    assert_false(a.full);
    assert_null(arena_printf(&a, "%*d", ROOM, 1));
    assert_true(a.full);
    arena_reset(&a);
    assert_null(arena_text(&a, bytes_of("", ROOM)));
    assert_true(a.full);
    arena_reset(&a);
}

static void arena_late_use_is_seen(void **state)
{
    (void)state;
#if KIT_ASAN
    struct arena a;

    arena_init(&a, &pool, ROOM);
    char *p = arena_raw(&a, 20);
    assert_false(__asan_address_is_poisoned(p + 19));
    assert_true(__asan_address_is_poisoned(p + 32)); /* beyond its last word */
    char *q = arena_raw(&a, 20);
    assert_true(__asan_address_is_poisoned(q - 1));
    arena_reset(&a);
    assert_true(__asan_address_is_poisoned(p));
    assert_true(__asan_address_is_poisoned(q));
#else
    skip();
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_alloc_is_zeroed_and_aligned),
        cmocka_unit_test(arena_blocks_do_not_overlap),
        cmocka_unit_test(arena_overflow_sets_flag),
        cmocka_unit_test(arena_of_one_chunk_ends_with_it),
        cmocka_unit_test(arena_no_bytes_are_not_no_memory),
        cmocka_unit_test(arena_array_overflow_sets_flag),
        cmocka_unit_test(arena_large_block_leaves_the_newest_chunk_in_use),
        cmocka_unit_test(arena_full_pool_sets_flag),
        cmocka_unit_test(arena_pool_keeps_few_chunks),
        cmocka_unit_test(arena_text_ends_with_zero),
        cmocka_unit_test(arena_late_use_is_seen),
    };
    return cmocka_run_group_tests(tests, open_pool, close_pool);
}

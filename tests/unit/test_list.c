/* The intrusive list: what is appended comes out in order, and removing is safe anywhere. */
#include "kit.h"

#include "base/list.h"

struct thing {
    int number;
    struct list link;
};

static struct list head;
static struct thing things[4];

static int fill(void **state)
{
    (void)state;
    list_init(&head);
    for (size_t i = 0; i < COUNT(things); i++) {
        things[i].number = (int)i;
        list_append(&head, &things[i].link);
    }
    return 0;
}

/* The numbers in the list, forwards and backwards, must be the digits of the text. */
static void assert_list(const char *digits)
{
    size_t count = 0;

    list_each_safe (link, &head) {
        assert_true(link->next->prev == link && link->prev->next == link);
        assert_int_equal(container_of(link, struct thing, link)->number, digits[count++] - '0');
    }
    assert_int_equal(count, strlen(digits));
    assert_int_equal(list_empty(&head), count == 0);
}

static void list_keeps_the_order_of_appending(void **state)
{
    (void)state;
    assert_list("0123");
}

static void list_take_empties_from_the_front(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(things); i++) {
        assert_ptr_equal(list_take(&head), &things[i].link);
        assert_true(list_empty(&things[i].link));
    }
    assert_null(list_take(&head));
    assert_list("");
}

static void list_remove_twice_does_no_harm(void **state)
{
    (void)state;
    list_remove(&things[1].link);
    list_remove(&things[1].link);
    assert_list("023");
    list_remove(&things[3].link);
    assert_list("02");
    list_append(&head, &things[1].link);
    assert_list("021");
}

static void list_current_link_may_be_removed_meanwhile(void **state)
{
    (void)state;
    int seen = 0;

    list_each_safe (link, &head) {
        if (seen++ % 2 == 0)
            list_remove(link);
    }
    assert_int_equal(seen, COUNT(things));
    assert_list("13");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(list_keeps_the_order_of_appending, fill),
        cmocka_unit_test_setup(list_take_empties_from_the_front, fill),
        cmocka_unit_test_setup(list_remove_twice_does_no_harm, fill),
        cmocka_unit_test_setup(list_current_link_may_be_removed_meanwhile, fill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

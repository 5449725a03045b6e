/* Which charges a balance may cover (domain.md A5.1, A8, B17). */
#include "ledger_kit.h"

#include "ledger/coverage.h"

static const struct id compute = {{1}}, storage = {{2}}, home = {{3}}, away = {{4}};
static const char *const tags[] = {"gpu", "eu"};
static const struct pair pricing[] = {{"region", "eu"}, {"tier", "gold"}};
static const struct pair presentation[] = {{"team", "blue"}};

/* Usage of a product with tags and groups, on a contract. */
static struct charge charge(void)
{
    return (struct charge){
        .has_product = true,
        .product = compute,
        .tags = tags,
        .tag_count = 2,
        .pricing = pricing,
        .pricing_count = 2,
        .presentation = presentation,
        .presentation_count = 1,
        .has_contract = true,
        .contract = home,
        .has_line_item_type = true,
        .line_item_type = LINE_USAGE,
    };
}

static bool has(const struct coverage *c)
{
    const struct charge of = charge();

    return coverage_has(c, &of);
}

/* The same charge without any of that. */
static bool has_bare(const struct coverage *c)
{
    const struct charge bare = {0};

    return coverage_has(c, &bare);
}

static void unrestricted_covers_all_of_its_credit_type(void **state)
{
    (void)state;
    struct coverage c = {0};

    assert_true(has(&c));
    assert_true(has_bare(&c));
    c.credit_type = compute;
    assert_false(has(&c));
}

static void products_and_tags_are_alternatives(void **state)
{
    (void)state;
    static const char *const other_tags[] = {"cpu", "eu"};
    const struct id both[] = {storage, compute};
    struct coverage c = {.products = &storage, .product_count = 1};

    assert_false(has(&c));
    c.products = both;
    c.product_count = 2;
    assert_true(has(&c));
    assert_false(has_bare(&c));
    c.product_count = 1;
    c.tags = other_tags;
    c.tag_count = 1;
    assert_false(has(&c));
    c.tag_count = 2;
    assert_true(has(&c));
    assert_false(has_bare(&c));
}

static void all_of_a_specifier_and_any_of_several(void **state)
{
    (void)state;
    static const char *const three[] = {"gpu", "eu", "new"};
    static const struct pair wrong[] = {{"region", "eu"}, {"tier", "silver"}};
    const struct specifier right = {.has_product = true,
                                    .product = compute,
                                    .tags = tags,
                                    .tag_count = 2,
                                    .pricing = pricing,
                                    .pricing_count = 1,
                                    .presentation = presentation,
                                    .presentation_count = 1};
    struct specifier s[6] = {right, right, right, right, right, right};
    struct coverage c = {.specifiers = s, .specifier_count = 1};

    assert_true(has(&c));
    assert_false(has_bare(&c));
    s[0].product = storage;
    s[1].tags = three;
    s[1].tag_count = 3;
    s[2].pricing = wrong;
    s[2].pricing_count = 2;
    s[3].presentation = pricing; /* where the charge has it as a pricing group */
    s[4].pricing = presentation; /* and the other way around */
    for (size_t i = 0; i < 5; i++) {
        c.specifiers = &s[i];
        assert_false(has(&c));
    }
    c.specifiers = s;
    c.specifier_count = 5;
    assert_false(has(&c));
    c.specifier_count = 6;
    assert_true(has(&c));
}

static void empty_specifier_covers_everything(void **state)
{
    (void)state;
    const struct specifier s = {0};
    const struct coverage c = {.specifiers = &s, .specifier_count = 1};

    assert_true(has(&c));
    assert_true(has_bare(&c));
    assert_int_equal(coverage_group_specifiers(&c), 0);
}

static void contract_level_is_for_its_contract_alone(void **state)
{
    (void)state;
    struct coverage c = {.has_contract = true, .contract = home};

    assert_true(has(&c));
    assert_false(has_bare(&c));
    c.contract = away;
    assert_false(has(&c));
}

static void applicable_contracts_need_one_of_them(void **state)
{
    (void)state;
    const struct id both[] = {away, home};
    struct coverage c = {.contracts = both, .contract_count = 1};

    assert_false(has(&c));
    assert_false(has_bare(&c));
    c.contract_count = 2;
    assert_true(has(&c));
    assert_false(has_bare(&c));
}

static void line_item_types_need_one_of_them(void **state)
{
    (void)state;
    struct coverage c = {.line_item_types = 1u << LINE_AD_HOC | 1u << LINE_USAGE};

    assert_true(has(&c));
    assert_false(has_bare(&c));
    c.line_item_types = 1u << LINE_AD_HOC;
    assert_false(has(&c));
}

static void group_specifiers_are_those_without_a_product(void **state)
{
    (void)state;
    const struct specifier s[] = {
        {.pricing = pricing, .pricing_count = 1},
        {.presentation = presentation, .presentation_count = 1},
        {.has_product = true, .pricing = pricing, .pricing_count = 1},
        {.tags = tags, .tag_count = 1, .pricing = pricing, .pricing_count = 1},
        {.has_product = true},
    };
    const struct coverage c = {.specifiers = s, .specifier_count = 5};

    assert_int_equal(coverage_group_specifiers(&c), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unrestricted_covers_all_of_its_credit_type),
        cmocka_unit_test(products_and_tags_are_alternatives),
        cmocka_unit_test(all_of_a_specifier_and_any_of_several),
        cmocka_unit_test(empty_specifier_covers_everything),
        cmocka_unit_test(contract_level_is_for_its_contract_alone),
        cmocka_unit_test(applicable_contracts_need_one_of_them),
        cmocka_unit_test(line_item_types_need_one_of_them),
        cmocka_unit_test(group_specifiers_are_those_without_a_product),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

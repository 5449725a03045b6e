/* One small predicate for each condition. What names products lets no charge pass that has none. */
#include "ledger/coverage.h"

#include <string.h>

static bool ids_have(const struct id *ids, size_t count, const struct id *id)
{
    for (size_t i = 0; i < count; i++)
        if (id_equal(&ids[i], id))
            return true;
    return false;
}

static bool tags_have(const struct charge *charge, const char *tag)
{
    for (size_t i = 0; i < charge->tag_count; i++)
        if (strcmp(charge->tags[i], tag) == 0)
            return true;
    return false;
}

static bool pairs_have(const struct pair *pairs, size_t count, const struct pair *wanted)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(pairs[i].key, wanted->key) == 0 && strcmp(pairs[i].value, wanted->value) == 0)
            return true;
    return false;
}

static bool pairs_have_all(const struct pair *pairs, size_t count, const struct pair *wanted,
                           size_t wanted_count)
{
    for (size_t i = 0; i < wanted_count; i++)
        if (!pairs_have(pairs, count, &wanted[i]))
            return false;
    return true;
}

static bool specifier_has(const struct specifier *s, const struct charge *charge)
{
    if (s->has_product && !(charge->has_product && id_equal(&s->product, &charge->product)))
        return false;
    for (size_t i = 0; i < s->tag_count; i++)
        if (!tags_have(charge, s->tags[i]))
            return false;
    return pairs_have_all(charge->pricing, charge->pricing_count, s->pricing, s->pricing_count) &&
           pairs_have_all(charge->presentation, charge->presentation_count, s->presentation,
                          s->presentation_count);
}

static bool some_specifier_has(const struct coverage *c, const struct charge *charge)
{
    for (size_t i = 0; i < c->specifier_count; i++)
        if (specifier_has(&c->specifiers[i], charge))
            return true;
    return c->specifier_count == 0;
}

static bool products_have(const struct coverage *c, const struct charge *charge)
{
    if (c->product_count == 0 && c->tag_count == 0)
        return true;
    if (charge->has_product && ids_have(c->products, c->product_count, &charge->product))
        return true;
    for (size_t i = 0; i < c->tag_count; i++)
        if (tags_have(charge, c->tags[i]))
            return true;
    return false;
}

static bool contracts_have(const struct coverage *c, const struct charge *charge)
{
    if (c->has_contract && !(charge->has_contract && id_equal(&c->contract, &charge->contract)))
        return false;
    return c->contract_count == 0 ||
           (charge->has_contract && ids_have(c->contracts, c->contract_count, &charge->contract));
}

static bool line_item_types_have(const struct coverage *c, const struct charge *charge)
{
    return c->line_item_types == 0 ||
           (charge->has_line_item_type && (c->line_item_types & 1u << charge->line_item_type) != 0);
}

bool coverage_has(const struct coverage *c, const struct charge *charge)
{
    return id_equal(&c->credit_type, &charge->credit_type) && contracts_have(c, charge) &&
           line_item_types_have(c, charge) && products_have(c, charge) &&
           some_specifier_has(c, charge);
}

size_t coverage_group_specifiers(const struct coverage *c)
{
    size_t count = 0;

    for (size_t i = 0; i < c->specifier_count; i++) {
        const struct specifier *s = &c->specifiers[i];
        count +=
            !s->has_product && s->tag_count == 0 && s->pricing_count + s->presentation_count > 0;
    }
    return count;
}

/* Setters of messages that a text describes in a small language of its own: filters, the items of
 * schedules, charges, specifiers. One that is wrong adds nothing. */
#include "client/fields_priv.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <balances/v1/balances.pb-c.h>
#include <balances/v1/ledger.pb-c.h>

#include "client/memory.h"

/* Cuts off and returns what stands before the next `end` (NULL where there is none) and moves
 * `*text` behind it. With `unescape`, backslashes go; without, they stay for the next cut to see.
 */
static char *cut(char **text, char end, bool unescape)
{
    char *start = *text;
    char *to = start;
    char *from = start;
    for (; *from && *from != end; *to++ = *from++) {
        if (*from != '\\' || !from[1])
            continue;
        if (!unescape)
            *to++ = *from;
        from++;
    }
    *text = *from ? from + 1 : NULL;
    *to = 0;
    return start;
}

/* Adds to a map<string, string> of a message; a key that is there already is an error. */
static enum err add_to_map(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                           const char *key, const char *value)
{
    size_t *count = field_member(message, field->quantifier_offset);
    void *array = field_member(message, field->offset);
    for (size_t i = 0; i < *count; i++) {
        if (strcmp(*field_text((*(ProtobufCMessage ***)array)[i], "key"), key) == 0)
            return ERR_INVALID;
    }
    const ProtobufCMessageDescriptor *type = field->descriptor;
    ProtobufCMessage *entry = memory_get(type->sizeof_message);
    protobuf_c_message_init(type, entry);
    field_replace_text(entry, "key", key);
    field_replace_text(entry, "value", value);
    *(void **)field_append(count, array, sizeof(void *)) = entry;
    return ERR_OK;
}

static bool add_custom_field(Balances__V1__BalanceFilter *filter, char *pair)
{
    const char *key = cut(&pair, ':', true);
    if (!pair)
        return false;
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(filter->base.descriptor, "custom_fields");
    return add_to_map(&filter->base, field, key, cut(&pair, 0, true)) == ERR_OK;
}

static enum err add_condition(Balances__V1__BalanceFilter *filter, char *condition,
                              char **ret_allowed)
{
    char *name = cut(&condition, '=', false);
    if (condition && strcmp(name, "type") == 0) {
        return field_add_enum_names(condition, &balances__v1__balance_type__descriptor,
                                    &filter->n_balance_types, &filter->balance_types, ret_allowed);
    }
    if (condition && strcmp(name, "id") == 0) {
        while (condition) {
            char *id = cut(&condition, ',', true);
            *(char **)field_append(&filter->n_ids, &filter->ids, sizeof(char *)) = memory_text(id);
        }
        return ERR_OK;
    }
    if (condition && strcmp(name, "field") == 0) {
        if (add_custom_field(filter, condition))
            return ERR_OK;
        return field_refuse(ret_allowed, "field=KEY:VALUE, each key once");
    }
    return field_refuse(ret_allowed,
                        "type=TYPE,…  id=ID,…  field=KEY:VALUE  separated by semicolons, as in "
                        "'type=CREDIT,PREPAID_COMMIT;field=campaign:signup'");
}

enum err field_add_filter(ProtobufCMessage *request, const ProtobufCFieldDescriptor *field,
                          const char *text, char **ret_allowed)
{
    Balances__V1__BalanceFilter *filter = memory_get(sizeof *filter);
    balances__v1__balance_filter__init(filter);

    char *copy = memory_text(text);
    enum err err = ERR_OK;
    for (char *rest = copy; err == ERR_OK && rest;)
        err = add_condition(filter, cut(&rest, ';', false), ret_allowed);
    free(copy);
    if (err != ERR_OK) {
        balances__v1__balance_filter__free_unpacked(filter, NULL);
        return err;
    }
    *(void **)field_append(field_member(request, field->quantifier_offset),
                           field_member(request, field->offset), sizeof(void *)) = filter;
    return ERR_OK;
}

enum err field_set_schedule_credit_type(ProtobufCMessage *request,
                                        const ProtobufCFieldDescriptor *field, const char *text,
                                        char **ret_allowed)
{
    if (!*text)
        return field_refuse(ret_allowed, "the id of a credit type");
    field_replace_text(field_message(request, field), "credit_type_id", text);
    return ERR_OK;
}

/* Fills the item's amount, or "UNIT_PRICExQUANTITY" where it has these, and its instants in the
 * order of `instants`, from texts separated by commas. What was filled until a text is wrong stays:
 * the item is the caller's to free. */
static enum err fill_item(ProtobufCMessage *item, const char *const *instants, size_t count,
                          const char *text)
{
    enum err err = ERR_OK;
    char *copy = memory_text(text);
    char *rest = copy;
    char *quantity = strsep(&rest, ",");
    bool has_quantity =
        protobuf_c_message_descriptor_get_field_by_name(item->descriptor, "quantity");
    const char *price = has_quantity && strchr(quantity, 'x') ? strsep(&quantity, "x") : NULL;
    if (!*quantity || (price && !*price))
        err = ERR_INVALID;
    if (price)
        field_replace_text(item, "unit_price", price);
    field_replace_text(item, price ? "quantity" : "amount", quantity);
    for (size_t i = 0; err == ERR_OK && i < count; i++) {
        const char *instant = strsep(&rest, ",");
        char *allowed = NULL;
        err = instant ? field_set_instant(item,
                                          protobuf_c_message_descriptor_get_field_by_name(
                                              item->descriptor, instants[i]),
                                          instant, &allowed)
                      : ERR_INVALID;
        free(allowed);
    }
    if (rest)
        err = ERR_INVALID;
    free(copy);
    return err;
}

enum err field_set_not_invoiced(ProtobufCMessage *request, const ProtobufCFieldDescriptor *field,
                                const char *text, char **ret_allowed)
{
    (void)text, (void)ret_allowed;
    Balances__V1__NewInvoiceSchedule *schedule =
        (Balances__V1__NewInvoiceSchedule *)field_message(request, field);
    schedule->do_not_invoice = true;
    return ERR_OK;
}

enum err field_add_access(ProtobufCMessage *request, const ProtobufCFieldDescriptor *field,
                          const char *text, char **ret_allowed)
{
    static const char *const instants[] = {"starting_at", "ending_before"};
    Balances__V1__NewAccessSegment *item = memory_get(sizeof *item);
    balances__v1__new_access_segment__init(item);
    if (fill_item(&item->base, instants, 2, text) != ERR_OK) {
        protobuf_c_message_free_unpacked(&item->base, NULL);
        return field_refuse(ret_allowed, "AMOUNT,FROM,BEFORE, as in "
                                         "100.50,2025-01-01T00:00:00Z,2026-01-01T00:00:00Z");
    }
    Balances__V1__NewAccessSchedule *schedule =
        (Balances__V1__NewAccessSchedule *)field_message(request, field);
    *(void **)field_append(&schedule->n_schedule_items, &schedule->schedule_items, sizeof(void *)) =
        item;
    return ERR_OK;
}

enum err field_add_invoice(ProtobufCMessage *request, const ProtobufCFieldDescriptor *field,
                           const char *text, char **ret_allowed)
{
    static const char *const instants[] = {"timestamp"};
    Balances__V1__NewInvoiceScheduleItem *item = memory_get(sizeof *item);
    balances__v1__new_invoice_schedule_item__init(item);
    if (fill_item(&item->base, instants, 1, text) != ERR_OK) {
        protobuf_c_message_free_unpacked(&item->base, NULL);
        return field_refuse(ret_allowed,
                            "AMOUNT,TIME or PRICExQUANTITY,TIME, as in 100.50,2026-01-01T00:00:00Z "
                            "or 9.99x12,2026-01-01T00:00:00Z");
    }
    Balances__V1__NewInvoiceSchedule *schedule =
        (Balances__V1__NewInvoiceSchedule *)field_message(request, field);
    *(void **)field_append(&schedule->n_schedule_items, &schedule->schedule_items, sizeof(void *)) =
        item;
    return ERR_OK;
}

/* What a key of a message's text sets. */
struct item_key {
    const char *name; /* ends with a dot where the rest of the key is one of a map */
    const char *field;
    field_set_fn *set; /* NULL for a map */
};

/* Sets a field of an item; what is allowed there is said with the key, since an item has many. */
static enum err set_key(ProtobufCMessage *item, const ProtobufCFieldDescriptor *field,
                        field_set_fn *set, const char *value, const char *key, char **ret_allowed)
{
    char *allowed = NULL;
    if (set(item, field, value, &allowed) == ERR_OK)
        return ERR_OK;
    size_t size = strlen(key) + strlen(allowed) + sizeof "= with ";
    *ret_allowed = memory_get(size);
    snprintf(*ret_allowed, size, "%s= with %s", key, allowed);
    free(allowed);
    return ERR_INVALID;
}

/* One "KEY=VALUE" of an item; `usage` says what all may be. */
static enum err add_pair(ProtobufCMessage *item, char *pair, const struct item_key *keys,
                         size_t count, const char *usage, char **ret_allowed)
{
    char *key = cut(&pair, '=', true);
    for (size_t i = 0; pair && i < count; i++) {
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field_by_name(item->descriptor, keys[i].field);
        size_t len = strlen(keys[i].name);
        assert(field);
        if (keys[i].set && strcmp(key, keys[i].name) == 0)
            return set_key(item, field, keys[i].set, cut(&pair, 0, true), key, ret_allowed);
        if (!keys[i].set && strncmp(key, keys[i].name, len) == 0 && key[len] &&
            add_to_map(item, field, key + len, cut(&pair, 0, true)) == ERR_OK)
            return ERR_OK;
    }
    return field_refuse(ret_allowed, usage);
}

static enum err add_charge_pair(ProtobufCMessage *charge, char *pair, char **ret_allowed)
{
    static const struct item_key keys[] = {
        {"product", "product_id", field_set_text},
        {"kind", "kind", field_set_enum},
        {"commit-rate-amount", "commit_rate_amount", field_set_text},
        {"line-item-type", "line_item_type", field_set_enum},
        {"at", "starting_at", field_set_instant},
        {"unit-price", "unit_price", field_set_text},
        {"name", "name", field_set_text},
        {"credit-type", "credit_type_id", field_set_text},
        {"pricing.", "pricing_group_values", NULL},
        {"presentation.", "presentation_group_values", NULL},
    };
    static const char usage[] =
        "AMOUNT,KEY=VALUE,… with the keys product, kind, commit-rate-amount, line-item-type, at, "
        "unit-price, name, credit-type, and each once pricing.NAME and presentation.NAME, as in "
        "12.50,kind=usage,pricing.region=eu";
    return add_pair(charge, pair, keys, sizeof keys / sizeof *keys, usage, ret_allowed);
}

static enum err add_specifier_pair(ProtobufCMessage *specifier, char *pair, char **ret_allowed)
{
    static const struct item_key keys[] = {
        {"product", "product_id", field_set_text},
        {"tag", "product_tags", field_add_text},
        {"pricing.", "pricing_group_values", NULL},
        {"presentation.", "presentation_group_values", NULL},
    };
    static const char usage[] =
        "KEY=VALUE,… with the keys product, tag (as often as needed), and each once pricing.NAME "
        "and presentation.NAME, as in tag=compute,pricing.region=eu";
    return add_pair(specifier, pair, keys, sizeof keys / sizeof *keys, usage, ret_allowed);
}

enum err field_add_specifier(ProtobufCMessage *request, const ProtobufCFieldDescriptor *field,
                             const char *text, char **ret_allowed)
{
    Balances__V1__Specifier *specifier = memory_get(sizeof *specifier);
    balances__v1__specifier__init(specifier);

    char *copy = memory_text(text);
    enum err err = ERR_OK;
    for (char *rest = copy; err == ERR_OK && rest;)
        err = add_specifier_pair(&specifier->base, cut(&rest, ',', false), ret_allowed);
    free(copy);
    if (err != ERR_OK) {
        balances__v1__specifier__free_unpacked(specifier, NULL);
        return err;
    }
    *(void **)field_append(field_member(request, field->quantifier_offset),
                           field_member(request, field->offset), sizeof(void *)) = specifier;
    return ERR_OK;
}

enum err field_add_pair(ProtobufCMessage *request, const ProtobufCFieldDescriptor *field,
                        const char *text, char **ret_allowed)
{
    char *copy = memory_text(text);
    char *rest = copy;
    const char *key = cut(&rest, '=', true);
    enum err err = ERR_INVALID;
    if (rest && *key)
        err = add_to_map(request, field, key, cut(&rest, 0, true));
    free(copy);
    return err == ERR_OK ? ERR_OK : field_refuse(ret_allowed, "KEY=VALUE, each key once");
}

enum err field_set_child_access(ProtobufCMessage *request, const ProtobufCFieldDescriptor *field,
                                const char *text, char **ret_allowed)
{
    Balances__V1__ChildAccess *access = memory_get(sizeof *access);
    balances__v1__child_access__init(access);
    enum err err = ERR_OK;
    if (strcmp(text, "all") == 0) {
        access->type = BALANCES__V1__CHILD_ACCESS__TYPE__TYPE_ALL;
    } else if (strcmp(text, "none") == 0) {
        access->type = BALANCES__V1__CHILD_ACCESS__TYPE__TYPE_NONE;
    } else {
        access->type = BALANCES__V1__CHILD_ACCESS__TYPE__TYPE_CONTRACT_IDS;
        char *allowed = NULL;
        err = field_add_texts(&access->base,
                              protobuf_c_message_descriptor_get_field_by_name(
                                  access->base.descriptor, "contract_ids"),
                              text, &allowed);
        free(allowed);
    }
    if (err != ERR_OK) {
        balances__v1__child_access__free_unpacked(access, NULL);
        return field_refuse(ret_allowed, "all, none, or ids of contracts separated by commas");
    }
    Balances__V1__HierarchyConfiguration *hierarchy =
        (Balances__V1__HierarchyConfiguration *)field_message(request, field);
    if (hierarchy->child_access)
        balances__v1__child_access__free_unpacked(hierarchy->child_access, NULL);
    hierarchy->child_access = access;
    return ERR_OK;
}

enum err field_add_charge(ProtobufCMessage *request, const ProtobufCFieldDescriptor *field,
                          const char *text, char **ret_allowed)
{
    Balances__V1__Charge *charge = memory_get(sizeof *charge);
    balances__v1__charge__init(charge);

    char *copy = memory_text(text);
    char *rest = copy;
    const char *amount = cut(&rest, ',', true);
    enum err err = ERR_OK;
    if (*amount)
        field_replace_text(&charge->base, "amount", amount);
    else
        err = field_refuse(ret_allowed, "an amount first, as in 12.50,kind=usage");
    while (err == ERR_OK && rest)
        err = add_charge_pair(&charge->base, cut(&rest, ',', false), ret_allowed);
    free(copy);
    if (err != ERR_OK) {
        balances__v1__charge__free_unpacked(charge, NULL);
        return err;
    }
    *(void **)field_append(field_member(request, field->quantifier_offset),
                           field_member(request, field->offset), sizeof(void *)) = charge;
    return ERR_OK;
}

/* Setters that reach a field through its descriptor, so that five requests with the same fields
 * need them written once. Their values are allocated one by one, because protobuf-c frees them so.
 */
#include "client/fields.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <balances/v1/balances.pb-c.h>
#include <balances/v1/ledger.pb-c.h>
#include <google/protobuf/timestamp.pb-c.h>
#include <google/protobuf/wrappers.pb-c.h>

#include "client/memory.h"
#include "client/rfc3339.h"

static void *member(ProtobufCMessage *message, unsigned offset)
{
    return (char *)message + offset;
}

static enum err refuse(char **ret_allowed, const char *allowed)
{
    *ret_allowed = memory_text(allowed);
    return ERR_INVALID;
}

static void replace_text(char **at, char *text)
{
    if (*at != protobuf_c_empty_string)
        free(*at);
    *at = text;
}

enum err field_set_text(ProtobufCMessage *request, const ProtobufCFieldDescriptor *field,
                        const char *text, char **ret_allowed)
{
    if (!*text)
        return refuse(ret_allowed, "some text");
    replace_text(member(request, field->offset), memory_text(text));
    return ERR_OK;
}

enum err field_set_true(ProtobufCMessage *request, const ProtobufCFieldDescriptor *field,
                        const char *text, char **ret_allowed)
{
    (void)text, (void)ret_allowed;
    *(protobuf_c_boolean *)member(request, field->offset) = true;
    return ERR_OK;
}

enum err field_set_false(ProtobufCMessage *request, const ProtobufCFieldDescriptor *field,
                         const char *text, char **ret_allowed)
{
    (void)text, (void)ret_allowed;
    *(protobuf_c_boolean *)member(request, field->offset) = false;
    return ERR_OK;
}

enum err field_set_int32(ProtobufCMessage *request, const ProtobufCFieldDescriptor *field,
                         const char *text, char **ret_allowed)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    bool plain = *text == '-' || (*text >= '0' && *text <= '9');
    if (!plain || end == text || *end || errno || value < INT32_MIN || value > INT32_MAX)
        return refuse(ret_allowed, "a whole number of at most 32 bits, as in 25");
    *(int32_t *)member(request, field->offset) = (int32_t)value;
    return ERR_OK;
}

enum err field_set_instant(ProtobufCMessage *request, const ProtobufCFieldDescriptor *field,
                           const char *text, char **ret_allowed)
{
    int64_t seconds;
    int32_t nanos;
    if (rfc3339_parse(text, &seconds, &nanos) != ERR_OK)
        return refuse(ret_allowed, "a date, a time and an offset of the years 0001 to 9999, as in "
                                   "2025-01-31T08:00:00Z or 2025-01-31T08:00:00.5+01:00");

    Google__Protobuf__Timestamp **at = member(request, field->offset);
    if (!*at) {
        *at = memory_get(sizeof **at);
        google__protobuf__timestamp__init(*at);
    }
    (*at)->seconds = seconds;
    (*at)->nanos = nanos;
    return ERR_OK;
}

/* How long the enum's prefix is: its zero is called <PREFIX>UNSPECIFIED. */
static size_t prefix_len(const ProtobufCEnumDescriptor *type)
{
    const char *zero = protobuf_c_enum_descriptor_get_value(type, 0)->name;
    return strlen(zero) - strlen("UNSPECIFIED");
}

static enum err parse_enum(const ProtobufCEnumDescriptor *type, const char *name, int *ret)
{
    for (unsigned i = 0; i < type->n_values; i++) {
        const ProtobufCEnumValue *value = &type->values[i];
        bool matches = strcasecmp(name, value->name) == 0 ||
                       strcasecmp(name, value->name + prefix_len(type)) == 0;
        if (matches && value->value != 0) {
            *ret = value->value;
            return ERR_OK;
        }
    }
    return ERR_INVALID;
}

static enum err refuse_enum(char **ret_allowed, const ProtobufCEnumDescriptor *type)
{
    size_t len = 0;
    FILE *out = open_memstream(ret_allowed, &len);
    if (!out)
        return refuse(ret_allowed, "a name of the enum");
    fputs("any of", out);
    for (unsigned i = 0; i < type->n_values; i++) {
        if (type->values[i].value != 0)
            fprintf(out, " %s", type->values[i].name + prefix_len(type));
    }
    fclose(out);
    return ERR_INVALID;
}

/* The new last element of an array of `size` bytes each. */
static void *append(size_t *count, void *array, size_t size)
{
    void **at = array;
    *at = memory_grow(*at, (*count + 1) * size);
    return (char *)*at + size * (*count)++;
}

/* Names separated by commas; `names` is taken apart. */
static enum err add_enums(char *names, const ProtobufCEnumDescriptor *type, size_t *count,
                          void *array, char **ret_allowed)
{
    size_t before = *count;
    for (char *name; (name = strsep(&names, ","));) {
        int value;
        if (parse_enum(type, name, &value) != ERR_OK) {
            *count = before;
            return refuse_enum(ret_allowed, type);
        }
        *(int *)append(count, array, sizeof(int)) = value;
    }
    return ERR_OK;
}

enum err field_add_enums(ProtobufCMessage *request, const ProtobufCFieldDescriptor *field,
                         const char *text, char **ret_allowed)
{
    char *names = memory_text(text);
    enum err err = add_enums(names, field->descriptor, member(request, field->quantifier_offset),
                             member(request, field->offset), ret_allowed);
    free(names);
    return err;
}

enum err field_set_mode(ProtobufCMessage *request, const ProtobufCFieldDescriptor *field,
                        const char *text, char **ret_allowed)
{
    Balances__V1__InvoiceInclusionMode *mode = member(request, field->offset);
    if (strcmp(text, "finalized") == 0)
        *mode = BALANCES__V1__INVOICE_INCLUSION_MODE__INVOICE_INCLUSION_MODE_FINALIZED;
    else if (strcmp(text, "all") == 0)
        *mode = BALANCES__V1__INVOICE_INCLUSION_MODE__INVOICE_INCLUSION_MODE_FINALIZED_AND_DRAFT;
    else
        return refuse(ret_allowed, "finalized or all");
    return ERR_OK;
}

enum err field_set_consistency(ProtobufCMessage *request, const ProtobufCFieldDescriptor *field,
                               const char *text, char **ret_allowed)
{
    static const char token[] = "token:";
    bool fresh = strcmp(text, "fresh") == 0;
    bool full = strcmp(text, "full") == 0;
    bool has_token = strncmp(text, token, strlen(token)) == 0 && text[strlen(token)];
    if (!fresh && !full && !has_token)
        return refuse(ret_allowed, "fresh, full, or token: and the token of an earlier answer");

    Balances__V1__Consistency *set = memory_get(sizeof *set);
    balances__v1__consistency__init(set);
    if (fresh) {
        set->requirement_case = BALANCES__V1__CONSISTENCY__REQUIREMENT_MINIMIZE_LATENCY;
        set->minimize_latency = true;
    } else if (full) {
        set->requirement_case = BALANCES__V1__CONSISTENCY__REQUIREMENT_FULLY_CONSISTENT;
        set->fully_consistent = true;
    } else {
        set->requirement_case = BALANCES__V1__CONSISTENCY__REQUIREMENT_AT_LEAST_AS_FRESH;
        set->at_least_as_fresh = memory_text(text + strlen(token));
    }
    Balances__V1__Consistency **at = member(request, field->offset);
    if (*at)
        balances__v1__consistency__free_unpacked(*at, NULL);
    *at = set;
    return ERR_OK;
}

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
    size_t *count = member(message, field->quantifier_offset);
    void *array = member(message, field->offset);
    for (size_t i = 0; i < *count; i++) {
        if (strcmp(*field_text((*(ProtobufCMessage ***)array)[i], "key"), key) == 0)
            return ERR_INVALID;
    }
    const ProtobufCMessageDescriptor *type = field->descriptor;
    ProtobufCMessage *entry = memory_get(type->sizeof_message);
    protobuf_c_message_init(type, entry);
    field_replace_text(entry, "key", key);
    field_replace_text(entry, "value", value);
    *(void **)append(count, array, sizeof(void *)) = entry;
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
        return add_enums(condition, &balances__v1__balance_type__descriptor,
                         &filter->n_balance_types, &filter->balance_types, ret_allowed);
    }
    if (condition && strcmp(name, "id") == 0) {
        while (condition) {
            char *id = cut(&condition, ',', true);
            *(char **)append(&filter->n_ids, &filter->ids, sizeof(char *)) = memory_text(id);
        }
        return ERR_OK;
    }
    if (condition && strcmp(name, "field") == 0) {
        if (add_custom_field(filter, condition))
            return ERR_OK;
        return refuse(ret_allowed, "field=KEY:VALUE, each key once");
    }
    return refuse(ret_allowed,
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
    *(void **)append(member(request, field->quantifier_offset), member(request, field->offset),
                     sizeof(void *)) = filter;
    return ERR_OK;
}

char **field_text(ProtobufCMessage *message, const char *name)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(message->descriptor, name);
    assert(field && field->type == PROTOBUF_C_TYPE_STRING);
    return member(message, field->offset);
}

void field_replace_text(ProtobufCMessage *message, const char *name, const char *text)
{
    replace_text(field_text(message, name), memory_text(text));
}

enum err field_set_double(ProtobufCMessage *request, const ProtobufCFieldDescriptor *field,
                          const char *text, char **ret_allowed)
{
    char *end;
    double value = strtod(text, &end);
    bool plain = *text == '-' || (*text >= '0' && *text <= '9');
    if (!plain || *end || !isfinite(value))
        return refuse(ret_allowed, "a number, as in 1.5");

    Google__Protobuf__DoubleValue **at = member(request, field->offset);
    if (!*at) {
        *at = memory_get(sizeof **at);
        google__protobuf__double_value__init(*at);
    }
    (*at)->value = value;
    return ERR_OK;
}

enum err field_set_enum(ProtobufCMessage *request, const ProtobufCFieldDescriptor *field,
                        const char *text, char **ret_allowed)
{
    int value;
    if (parse_enum(field->descriptor, text, &value) != ERR_OK)
        return refuse_enum(ret_allowed, field->descriptor);
    *(int *)member(request, field->offset) = value;
    return ERR_OK;
}

enum err field_add_texts(ProtobufCMessage *request, const ProtobufCFieldDescriptor *field,
                         const char *text, char **ret_allowed)
{
    if (!*text || *text == ',' || strstr(text, ",,") || text[strlen(text) - 1] == ',')
        return refuse(ret_allowed, "texts separated by commas, none of them empty");
    char *copy = memory_text(text);
    char *rest = copy;
    for (char *one = strsep(&rest, ","); one; one = strsep(&rest, ",")) {
        char **at = append(member(request, field->quantifier_offset),
                           member(request, field->offset), sizeof *at);
        *at = memory_text(one);
    }
    free(copy);
    return ERR_OK;
}

static Balances__V1__NewAccessSchedule *access_of(ProtobufCMessage *request,
                                                  const ProtobufCFieldDescriptor *field)
{
    Balances__V1__NewAccessSchedule **at = member(request, field->offset);
    if (!*at) {
        *at = memory_get(sizeof **at);
        balances__v1__new_access_schedule__init(*at);
    }
    return *at;
}

enum err field_set_access_credit_type(ProtobufCMessage *request,
                                      const ProtobufCFieldDescriptor *field, const char *text,
                                      char **ret_allowed)
{
    if (!*text)
        return refuse(ret_allowed, "the id of a credit type");
    replace_text(&access_of(request, field)->credit_type_id, memory_text(text));
    return ERR_OK;
}

/* Fills the item's amount, and its instants in the order of `instants`, from texts separated by
 * commas. What was filled until a text is wrong stays: the item is the caller's to free. */
static enum err fill_item(ProtobufCMessage *item, const char *const *instants, size_t count,
                          const char *text)
{
    enum err err = ERR_OK;
    char *copy = memory_text(text);
    char *rest = copy;
    const char *amount = strsep(&rest, ",");
    if (!*amount)
        err = ERR_INVALID;
    else
        field_replace_text(item, "amount", amount);
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

enum err field_add_access(ProtobufCMessage *request, const ProtobufCFieldDescriptor *field,
                          const char *text, char **ret_allowed)
{
    static const char *const instants[] = {"starting_at", "ending_before"};
    Balances__V1__NewAccessSegment *item = memory_get(sizeof *item);
    balances__v1__new_access_segment__init(item);
    if (fill_item(&item->base, instants, 2, text) != ERR_OK) {
        protobuf_c_message_free_unpacked(&item->base, NULL);
        return refuse(ret_allowed, "AMOUNT,FROM,BEFORE, as in "
                                   "100.50,2025-01-01T00:00:00Z,2026-01-01T00:00:00Z");
    }
    Balances__V1__NewAccessSchedule *schedule = access_of(request, field);
    *(void **)append(&schedule->n_schedule_items, &schedule->schedule_items, sizeof(void *)) = item;
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
        return refuse(ret_allowed, "AMOUNT,TIME, as in 100.50,2026-01-01T00:00:00Z");
    }
    Balances__V1__NewInvoiceSchedule **at = member(request, field->offset);
    if (!*at) {
        *at = memory_get(sizeof **at);
        balances__v1__new_invoice_schedule__init(*at);
    }
    *(void **)append(&(*at)->n_schedule_items, &(*at)->schedule_items, sizeof(void *)) = item;
    return ERR_OK;
}

/* Sets a field of a charge; what is allowed there is said with the key, since a charge has many. */
static enum err set_charge_key(ProtobufCMessage *charge, const ProtobufCFieldDescriptor *field,
                               field_set_fn *set, const char *value, const char *key,
                               char **ret_allowed)
{
    char *allowed = NULL;
    if (set(charge, field, value, &allowed) == ERR_OK)
        return ERR_OK;
    size_t size = strlen(key) + strlen(allowed) + sizeof "= with ";
    *ret_allowed = memory_get(size);
    snprintf(*ret_allowed, size, "%s= with %s", key, allowed);
    free(allowed);
    return ERR_INVALID;
}

/* One "KEY=VALUE" of a charge. */
static enum err add_charge_pair(ProtobufCMessage *charge, char *pair, char **ret_allowed)
{
    static const struct {
        const char *key; /* ends with a dot where the rest of the key is one of a map */
        const char *field;
        field_set_fn *set; /* NULL for a map */
    } keys[] = {
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

    char *key = cut(&pair, '=', true);
    for (size_t i = 0; pair && i < sizeof keys / sizeof *keys; i++) {
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field_by_name(charge->descriptor, keys[i].field);
        size_t len = strlen(keys[i].key);
        assert(field);
        if (keys[i].set && strcmp(key, keys[i].key) == 0)
            return set_charge_key(charge, field, keys[i].set, cut(&pair, 0, true), key,
                                  ret_allowed);
        if (!keys[i].set && strncmp(key, keys[i].key, len) == 0 && key[len] &&
            add_to_map(charge, field, key + len, cut(&pair, 0, true)) == ERR_OK)
            return ERR_OK;
    }
    return refuse(ret_allowed,
                  "AMOUNT,KEY=VALUE,… with the keys product, kind, commit-rate-amount, "
                  "line-item-type, at, unit-price, name, credit-type, and each once pricing.NAME "
                  "and presentation.NAME, as in 12.50,kind=usage,pricing.region=eu");
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
        err = refuse(ret_allowed, "an amount first, as in 12.50,kind=usage");
    while (err == ERR_OK && rest)
        err = add_charge_pair(&charge->base, cut(&rest, ',', false), ret_allowed);
    free(copy);
    if (err != ERR_OK) {
        balances__v1__charge__free_unpacked(charge, NULL);
        return err;
    }
    *(void **)append(member(request, field->quantifier_offset), member(request, field->offset),
                     sizeof(void *)) = charge;
    return ERR_OK;
}

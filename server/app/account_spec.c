#include "app/account_spec.h"

#include <stdio.h>

#include "app/fields.h"
#include "app/message.h"
#include "base/limits.h"
#include "base/utf8.h"

typedef Balances__V1__AccountBalanceSpec spec_message;

enum { FIELD_NAME_MAX = 48 };

static const char line_item_prefix[] = "LINE_ITEM_TYPE_";

/* ---- the request ---- */

/* As the schema has it: no control characters, no blanks around it. */
static void read_code(struct call *c, const char *code)
{
    static const char field[] = "spec.code";
    const size_t len = strlen(code);

    field_required_text(c, field, code, CODE_CHARACTERS_MAX);
    if (len > 0 && (code[0] == ' ' || code[len - 1] == ' '))
        field_wrong(c, field, "must not begin or end with a blank");
    if (utf8_has_control(code))
        field_wrong(c, field, "must not have control characters");
}

static void read_rollover(struct call *c, spec_message *in, struct account_spec *s)
{
    s->has_rollover = field_instant(c, "spec.rollover_ending_before", in->rollover_ending_before,
                                    &s->rollover_ending_before);
    s->has_rollover_cap = *in->rollover_amount != '\0';
    if (s->has_rollover_cap)
        field_amount_from_zero(c, "spec.rollover_amount", &in->rollover_amount, &s->rollover_cap);
    if (s->has_rollover_cap && !in->rollover_ending_before)
        field_wrong(c, "spec.rollover_ending_before", "is required with rollover_amount");
}

static void read_dates(struct call *c, const spec_message *in, struct account_spec *s)
{
    const bool starts =
        field_required_instant(c, "spec.starting_at", in->starting_at, &s->starting_at);
    const bool ends =
        field_required_instant(c, "spec.ending_before", in->ending_before, &s->ending_before);

    if (starts && ends && s->starting_at >= s->ending_before)
        field_wrong(c, "spec.ending_before", "must be after starting_at");
    if (ends && s->has_rollover && s->rollover_ending_before <= s->ending_before)
        field_wrong(c, "spec.rollover_ending_before", "must be after ending_before");
}

static enum err read_line_item_types(struct call *c, const spec_message *in, struct account_spec *s)
{
    const ProtobufCEnumDescriptor *type = &balances__v1__line_item_type__descriptor;
    char name[FIELD_NAME_MAX];

    if (!field_count(c, "spec.line_item_types", in->n_line_item_types, LINE_ITEM_TYPES_MAX))
        return ERR_OK;
    s->line_item_types = arena_array(&c->arena, in->n_line_item_types, sizeof(char *));
    if (!s->line_item_types)
        return ERR_EXHAUSTED;
    for (size_t i = 0; i < in->n_line_item_types; i++) {
        const int number = (int)in->line_item_types[i];
        const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(type, number);
        if (value && number != 0) {
            s->line_item_types[i] = value->name + strlen(line_item_prefix);
        } else {
            snprintf(name, sizeof name, "spec.line_item_types[%zu]", i);
            field_wrong(c, name, "is not a type of line item: %d", number);
        }
    }
    return ERR_OK;
}

enum err account_spec_read(struct call *c, spec_message *in, struct account_spec *ret)
{
    amount surcharge;

    if (!in) {
        field_wrong(c, "spec", "is required");
        return ERR_OK;
    }
    ret->in = in;
    read_code(c, in->code);
    field_required_text(c, "spec.name", in->name, NAME_CHARACTERS_MAX);
    field_text(c, "spec.description", in->description, PROSE_CHARACTERS_MAX);
    field_id(c, "spec.credit_type_id", in->credit_type_id, &ret->credit_type_id);
    read_rollover(c, in, ret);
    read_dates(c, in, ret);
    field_text(c, "spec.balance_draw_down_description", in->balance_draw_down_description,
               LINE_TEXT_CHARACTERS_MAX);
    if (*in->overage_surcharge_percent)
        field_amount_from_zero(c, "spec.overage_surcharge_percent", &in->overage_surcharge_percent,
                               &surcharge);
    field_text(c, "spec.overage_description", in->overage_description, LINE_TEXT_CHARACTERS_MAX);
    enum err err =
        field_ids(c, "spec.product_ids", in->product_ids, in->n_product_ids, &ret->product_ids);
    if (err == ERR_OK)
        err = read_line_item_types(c, in, ret);
    ret->has_contract =
        field_optional_id(c, "spec.contract_id", in->contract_id, &ret->contract_id);
    ret->custom_fields = field_map(
        c, "spec.custom_fields", (struct text_pair *const *)in->custom_fields, in->n_custom_fields);
    ret->has_consumptions_product =
        field_optional_id(c, "spec.consumptions_accounting_product_id",
                          in->consumptions_accounting_product_id, &ret->consumptions_product_id);
    ret->has_fees_product =
        field_optional_id(c, "spec.fees_accounting_product_id", in->fees_accounting_product_id,
                          &ret->fees_product_id);
    return err;
}

/* ---- the answer ---- */

void account_spec_show(const struct account_spec *s, struct arena *a,
                       Balances__V1__AccountBalance *m)
{
    const spec_message *in = s->in;

    m->code = in->code;
    m->name = in->name;
    m->description = in->description;
    m->starting_at = message_instant(a, s->starting_at);
    m->ending_before = message_instant(a, s->ending_before);
    m->rollover_amount = in->rollover_amount;
    m->rollover_ending_before =
        s->has_rollover ? message_instant(a, s->rollover_ending_before) : NULL;
    m->balance_draw_down_description = in->balance_draw_down_description;
    m->overage_surcharge_percent = in->overage_surcharge_percent;
    m->overage_description = in->overage_description;
    m->product_ids = in->product_ids;
    m->n_product_ids = in->n_product_ids;
    m->line_item_types = in->line_item_types;
    m->n_line_item_types = in->n_line_item_types;
    m->contract_id = in->contract_id;
    m->allow_overdraft = in->allow_overdraft;
    /* Entries of another type by name alone (normal.c checks it); packed, they are the same. */
    m->custom_fields = (Balances__V1__AccountBalance__CustomFieldsEntry **)in->custom_fields;
    m->n_custom_fields = in->n_custom_fields;
    m->consumptions_accounting_product_id = in->consumptions_accounting_product_id;
    m->fees_accounting_product_id = in->fees_accounting_product_id;
}

/* ---- the database ---- */

enum err account_spec_args(const struct account_spec *s, struct arena *a, struct sql_args *args)
{
    const spec_message *in = s->in;

    args_id(args, &s->credit_type_id);
    args_text(args, bytes_text(in->code));
    args_text(args, bytes_text(in->name));
    write_optional_text(args, in->description);
    write_optional_id(args, s->has_contract, &s->contract_id);
    write_optional_text(args, in->rollover_amount);
    if (s->has_rollover)
        args_instant(args, s->rollover_ending_before);
    else
        args_null(args);
    write_optional_text(args, in->balance_draw_down_description);
    write_optional_text(args, in->overage_surcharge_percent);
    write_optional_text(args, in->overage_description);
    enum err err = args_ids(args, a, s->product_ids, in->n_product_ids);
    if (err == ERR_OK)
        err = args_texts(args, a, s->line_item_types, in->n_line_item_types);
    args_bool(args, in->allow_overdraft);
    args_text(args, s->custom_fields);
    write_optional_id(args, s->has_consumptions_product, &s->consumptions_product_id);
    write_optional_id(args, s->has_fees_product, &s->fees_product_id);
    return err;
}

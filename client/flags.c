/* From flag to field. A command has a flag exactly if its request has one of the flag's fields, by
 * itself or in its spec, so the contract itself says what each command takes. */
#include "client/flags.h"

#include <assert.h>
#include <string.h>

#include "client/memory.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

// clang-format off
const struct request_flag request_flags[] = {
    {"customer", "ID", GROUP_SELECTION, field_set_text,
     {"customer_id"},
     "The customer; required"},
    {"id", "ID", GROUP_SELECTION, field_set_text,
     {"id", "credit_id", "commit_id", "balance_id"},
     "Only this one"},
    {"ids", "ID,...", GROUP_SELECTION, field_add_texts,
     {"ids"},
     "Only these"},
    {"codes", "CODE,...", GROUP_SELECTION, field_add_texts,
     {"codes"},
     "Only those with one of these codes"},
    {"contract", "ID", GROUP_SELECTION, field_set_text,
     {"contract_id"},
     "Only balances of this contract"},
    {"ends-from", "TIME", GROUP_SELECTION, field_set_instant,
     {"end_date_start"},
     "Only balances that end, after any rollover, at TIME or later"},
    {"ends-before", "TIME", GROUP_SELECTION, field_set_instant,
     {"end_date_end"},
     "Only balances that end, after any rollover, before TIME"},
    {"transaction-type", "ID", GROUP_SELECTION, field_set_text,
     {"transaction_type_id"},
     "Only transactions of this type"},
    {"entity-type", "TYPE", GROUP_SELECTION, field_set_enum,
     {"entity_type"},
     "Only what this brought about: bill, commitment, user, service_user or scheduler"},
    {"entity-id", "TEXT", GROUP_SELECTION, field_set_text,
     {"entity_id"},
     "Only what this one brought about"},
    {"covering-date", "TIME", GROUP_SELECTION, field_set_instant,
     {"covering_date"},
     "Only balances with a segment that covers TIME (RFC 3339)"},
    {"starting-at", "TIME", GROUP_SELECTION, field_set_instant,
     {"starting_at"},
     "Only what there is at TIME or after it"},
    {"effective-before", "TIME", GROUP_SELECTION, field_set_instant,
     {"effective_before"},
     "Only balances with access before TIME"},
    {"ending-before", "TIME", GROUP_SELECTION, field_set_instant,
     {"ending_before"},
     "Only entries before TIME"},
    {"contract", NULL, GROUP_SELECTION, field_set_true,
     {"include_contract_balances", "include_contract_credits", "include_contract_commits"},
     "Also balances that belong to a contract"},
    {"archived", NULL, GROUP_SELECTION, field_set_true,
     {"include_archived"},
     "Also archived ones"},
    {"exclude-zero", NULL, GROUP_SELECTION, field_set_true,
     {"exclude_zero_balances"},
     "Only balances that are not zero now"},
    {"credit-type", "ID", GROUP_SELECTION, field_set_text,
     {"credit_type_id"},
     "Sum balances of this credit type; USD (cents) by default"},
    {"filter", "FILTER", GROUP_SELECTION, field_add_filter,
     {"filters"},
     "Only balances that meet all conditions of FILTER, or of another FILTER: "
     "'type=CREDIT,PREPAID_COMMIT;id=ID,...;field=KEY:VALUE', each of them as often as needed"},
    {"mode", "MODE", GROUP_SELECTION, field_set_mode,
     {"invoice_inclusion_mode"},
     "Whose deductions count: of finalized invoices, or of all, drafts included (the default)"},
    {"types", "TYPE,...", GROUP_SELECTION, field_add_enums,
     {"types"},
     "Only entries of these types, as in CREDIT_MANUAL"},
    {"ledgers", NULL, GROUP_CONTENT, field_set_true,
     {"include_ledgers"},
     "Also show the ledgers"},
    {"balance", NULL, GROUP_CONTENT, field_set_true,
     {"include_balance"},
     "Show what can be used now; the default of a table"},
    {"no-balance", NULL, GROUP_CONTENT, field_set_false,
     {"include_balance"},
     "Do not show it"},
    {"descending", NULL, GROUP_CONTENT, field_set_true,
     {"descending"},
     "Newest first"},
    {"consistency", "LEVEL", GROUP_CONTENT, field_set_consistency,
     {"consistency"},
     "fresh: the quickest answer that is valid (the default); full: with everything committed "
     "before the question; token:TOKEN: with what the answer that brought TOKEN showed"},
    {"limit", "N", GROUP_PAGE, field_set_int32,
     {"limit"},
     "At most N rows on a page"},
    {"page", "TOKEN", GROUP_PAGE, field_set_text,
     {"next_page"},
     "The page that TOKEN names"},
    {"customer", "ID", GROUP_WRITE, field_set_text,
     {"customer_id"},
     "The customer; required"},
    {"id", "ID", GROUP_WRITE, field_set_text,
     {"id", "balance_id"},
     "What it is about: a balance or a transaction type; in the catalog what is made or archived"},
    {"if-version", "N", GROUP_WRITE, field_set_int64,
     {"version"},
     "The version that was read: another one by now is not overwritten"},
    {"code", "CODE", GROUP_WRITE, field_set_text,
     {"code"},
     "A short name that nothing else of its kind has"},
    {"type", "TYPE", GROUP_WRITE, field_set_enum,
     {"type"},
     "prepaid or postpaid"},
    {"product", "ID", GROUP_WRITE, field_set_text,
     {"product_id"},
     "The product that it is sold as"},
    {"access", "AMOUNT,FROM,BEFORE", GROUP_WRITE, field_add_access,
     {"access_schedule"},
     "AMOUNT can be spent from FROM until before BEFORE (RFC 3339); as often as needed"},
    {"credit-type", "ID", GROUP_WRITE, field_set_schedule_credit_type,
     {"access_schedule"},
     "What the amounts are in; USD (cents) by default"},
    {"credit-type", "ID", GROUP_WRITE, field_set_text,
     {"credit_type_id"},
     "What its amounts are in; required"},
    {"invoice-item", "AMOUNT,TIME", GROUP_WRITE, field_add_invoice,
     {"invoice_schedule"},
     "AMOUNT, or PRICExQUANTITY, is invoiced at TIME; as often as needed"},
    {"invoice-credit-type", "ID", GROUP_WRITE, field_set_schedule_credit_type,
     {"invoice_schedule"},
     "What the invoices are in; USD (cents) by default"},
    {"do-not-invoice", NULL, GROUP_WRITE, field_set_not_invoiced,
     {"invoice_schedule"},
     "Make no invoices of its invoice items"},
    {"invoice-contract", "ID", GROUP_WRITE, field_set_text,
     {"invoice_contract_id"},
     "The contract whose invoices charge it"},
    {"priority", "NUMBER", GROUP_WRITE, field_set_double,
     {"priority"},
     "Which is spent first among balances of its kind: the lowest, as in 1.5"},
    {"name", "TEXT", GROUP_WRITE, field_set_text,
     {"name"},
     "What people call it"},
    {"description", "TEXT", GROUP_WRITE, field_set_text,
     {"description"},
     "More about it"},
    {"products", "ID,...", GROUP_WRITE, field_add_texts,
     {"applicable_product_ids", "product_ids"},
     "Pays for these products alone"},
    {"line-item-types", "TYPE,...", GROUP_WRITE, field_add_enums,
     {"line_item_types"},
     "Pays for line items of these types alone, as in usage"},
    {"tags", "TAG,...", GROUP_WRITE, field_add_texts,
     {"applicable_product_tags", "tags"},
     "Pays for products with these tags alone; a product's own"},
    {"contracts", "ID,...", GROUP_WRITE, field_add_texts,
     {"applicable_contract_ids"},
     "Pays for charges of these contracts alone"},
    {"specifier", "KEY=VALUE,...", GROUP_WRITE, field_add_specifier,
     {"specifiers"},
     "Pays for what has all of these, or all of another --specifier, instead of --products and "
     "--tags. KEY is product, tag, pricing.NAME or presentation.NAME"},
    {"child-access", "all|none|ID,...", GROUP_WRITE, field_set_child_access,
     {"hierarchy_configuration"},
     "Which contracts below it may spend it"},
    {"rate-type", "TYPE", GROUP_WRITE, field_set_enum,
     {"rate_type"},
     "commit_rate or list_rate: at which rate charges are taken from it"},
    {"field", "KEY=VALUE", GROUP_WRITE, field_add_pair,
     {"custom_fields"},
     "A custom field; as often as needed"},
    {"netsuite-sales-order", "ID", GROUP_WRITE, field_set_text,
     {"netsuite_sales_order_id"},
     "Its sales order in NetSuite"},
    {"salesforce-opportunity", "ID", GROUP_WRITE, field_set_text,
     {"salesforce_opportunity_id"},
     "Its opportunity in Salesforce"},
    {"rollover-fraction", "NUMBER", GROUP_WRITE, field_set_text,
     {"rollover_fraction"},
     "How much of its original amount may be rolled over at most, from 0 to 1"},
    {"rollover-before", "TIME", GROUP_WRITE, field_set_instant,
     {"rollover_ending_before"},
     "Until when what is left at its end may still be spent (RFC 3339)"},
    {"rollover-amount", "AMOUNT", GROUP_WRITE, field_set_text,
     {"rollover_amount"},
     "How much of it at most; all of it by default"},
    {"overdraft", NULL, GROUP_WRITE, field_set_true,
     {"allow_overdraft"},
     "May be drawn below zero"},
    {"surcharge", "PERCENT", GROUP_WRITE, field_set_text,
     {"overage_surcharge_percent"},
     "What is added to charges that no balance covers"},
    {"draw-down-text", "TEXT", GROUP_WRITE, field_set_text,
     {"balance_draw_down_description"},
     "What invoices say where it covers a charge"},
    {"overage-text", "TEXT", GROUP_WRITE, field_set_text,
     {"overage_description"},
     "What invoices say where nothing covers one"},
    {"consumptions-product", "ID", GROUP_WRITE, field_set_text,
     {"consumptions_accounting_product_id"},
     "The product that its consumption is accounted as"},
    {"fees-product", "ID", GROUP_WRITE, field_set_text,
     {"fees_accounting_product_id"},
     "The product that its fees are accounted as"},
    {"transaction-type", "ID", GROUP_WRITE, field_set_text,
     {"transaction_type_id"},
     "What kind of transaction it is"},
    {"applied", "TIME", GROUP_WRITE, field_set_instant,
     {"applied_date"},
     "When it takes effect (RFC 3339); now by default"},
    {"date", "TIME", GROUP_WRITE, field_set_instant,
     {"transaction_date"},
     "When it was agreed on (RFC 3339); now by default"},
    {"paid", "AMOUNT", GROUP_WRITE, field_set_text,
     {"paid"},
     "What was paid for it"},
    {"currency", "TEXT", GROUP_WRITE, field_set_text,
     {"currency_paid"},
     "In which currency"},
    {"archived", NULL, GROUP_WRITE, field_set_true,
     {"archived"},
     "No new transactions may be of this type"},
    {"order", "WHAT,...", GROUP_WRITE, field_add_enums,
     {"order"},
     "prepayment, balance or both, in the order in which they burn; none returns a customer to the "
     "organization's order"},
    {"segment", "ID", GROUP_WRITE, field_set_text,
     {"segment_id"},
     "The segment of the balance"},
    {"invoice", "ID", GROUP_WRITE, field_set_text,
     {"invoice_id"},
     "The invoice"},
    {"period-end", "TIME", GROUP_WRITE, field_set_instant,
     {"service_period_end"},
     "When the invoice's service period ends (RFC 3339): the time of its deductions"},
    {"charge", "AMOUNT[,KEY=VALUE...]", GROUP_WRITE, field_add_charge,
     {"charges"},
     "What is to be covered; as often as needed. KEY is product, kind (usage, subscription, "
     "composite), commit-rate-amount, line-item-type, at, unit-price, name, credit-type, "
     "pricing.NAME or presentation.NAME; a backslash takes the meaning from the "
     "character behind it"},
    {"replace", NULL, GROUP_WRITE, field_set_true,
     {"replace"},
     "Forget what the draft deducted so far; otherwise the charges add to it"},
    {"dry-run", NULL, GROUP_WRITE, field_set_true,
     {"dry_run"},
     "Say what would be covered, write nothing"},
    {"amount", "AMOUNT", GROUP_WRITE, field_set_text,
     {"amount"},
     "What is added; adjust and transact also take away (--amount=-5)"},
    {"reason", "TEXT", GROUP_WRITE, field_set_text,
     {"reason"},
     "Why"},
    {"contract", "ID", GROUP_WRITE, field_set_text,
     {"contract_id", "new_contract_id"},
     "The contract"},
    {"at", "TIME", GROUP_WRITE, field_set_instant,
     {"timestamp"},
     "When it takes effect (RFC 3339); the start of the segment by default"},
    {"from", "TIME", GROUP_WRITE, field_set_instant,
     {"starting_at"},
     "When it begins (RFC 3339)"},
    {"before", "TIME", GROUP_WRITE, field_set_instant,
     {"access_ending_before", "ending_before"},
     "When it ends (RFC 3339)"},
    {"invoices-before", "TIME", GROUP_WRITE, field_set_instant,
     {"invoices_ending_before"},
     "When its invoices end (RFC 3339)"},
    {"uniqueness-key", "TEXT", GROUP_WRITE, field_set_text,
     {"uniqueness_key"},
     "Belongs to what is made for ever: a second use is refused"},
    {"request-id", "UUID", GROUP_WRITE, field_set_text,
     {"request_id"},
     "Names this request, so that repeating it writes nothing twice; a new one by default"},
};
// clang-format on

const size_t request_flag_count = COUNT(request_flags);

/* Whether the command says by itself what this field is. */
static bool is_settled(const struct command *command, const char *field)
{
    static const char *const settled[] = {"include_ledgers", "include_balance", "limit",
                                          "next_page"};
    for (size_t i = 0; command_draws(command) && i < COUNT(settled); i++) {
        if (strcmp(field, settled[i]) == 0)
            return true;
    }
    return false;
}

static const ProtobufCFieldDescriptor *find_field(const struct request_flag *flag,
                                                  const ProtobufCMessageDescriptor *type)
{
    const ProtobufCFieldDescriptor *field = NULL;
    for (size_t i = 0; !field && i < COUNT(flag->fields) && flag->fields[i]; i++)
        field = protobuf_c_message_descriptor_get_field_by_name(type, flag->fields[i]);
    return field;
}

static const ProtobufCFieldDescriptor *spec_of(const ProtobufCMessageDescriptor *request)
{
    return protobuf_c_message_descriptor_get_field_by_name(request, "spec");
}

const ProtobufCFieldDescriptor *flag_field(const struct request_flag *flag,
                                           const struct command *command,
                                           const ProtobufCMessageDescriptor *request)
{
    const ProtobufCFieldDescriptor *spec = spec_of(request);
    if (command_writes(command) != (flag->group == GROUP_WRITE))
        return NULL;
    const ProtobufCFieldDescriptor *field = find_field(flag, request);
    if (!field && spec)
        field = find_field(flag, spec->descriptor);
    return field && is_settled(command, field->name) ? NULL : field;
}

/* The spec, made where there was none yet. */
static ProtobufCMessage *open_spec(ProtobufCMessage *request)
{
    const ProtobufCFieldDescriptor *spec = spec_of(request->descriptor);
    const ProtobufCMessageDescriptor *type = spec->descriptor;
    ProtobufCMessage **member = (ProtobufCMessage **)(void *)((char *)request + spec->offset);
    if (!*member) {
        *member = memory_get(type->sizeof_message);
        protobuf_c_message_init(type, *member);
    }
    return *member;
}

enum err flag_set(const struct request_flag *flag, const struct command *command,
                  ProtobufCMessage *request, const char *text, char **ret_allowed)
{
    const ProtobufCFieldDescriptor *field = flag_field(flag, command, request->descriptor);
    assert(field);
    bool is_inside = find_field(flag, request->descriptor) != field;
    return flag->set(is_inside ? open_spec(request) : request, field, text, ret_allowed);
}

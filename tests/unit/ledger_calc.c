/* The ledger's arithmetic as a filter: cases on stdin, results on stdout, one fact per line, so
 * that another implementation can be compared with it case by case. Entries move the sums of their
 * segment as the database's triggers do; everything else is computed by server/ledger. A line that
 * cannot be read ends the program: its author is a test.
 *
 *   now <instant>
 *   balance <id> <kind> <archived> <contract level> <overdraft> <true-up disabled> <cap or ->
 *   field <key> <value>                                               of the last balance
 *   segment <id> <role> <start> <end> <granted>                       of the last balance
 *   entry <id> <type> <draft> <value> <instant>                       of the last segment
 *   list <kinds> <id or -> <covering or -> <starting at or -> <effective before or ->
 *        <contract level> <archived> <exclude zero>                   on one line
 *   net <kinds>                              one filter of the net balance; each of these
 *   net-id <id>                              belongs to the last one
 *   net-field <key> <value>
 *   end                                      answers, and starts the next case
 */
#include <stdio.h>
#include <stdlib.h>

#include "ledger/balance.h"
#include "ledger/derived.h"
#include "ledger/filter.h"
#include "ledger/order.h"
#include "ledger/schedule.h"

enum { MAX_BALANCES = 8, MAX_SEGMENTS = 8, MAX_ENTRIES = 64, MAX_FILTERS = 8, MAX_PAIRS = 8 };

struct field {
    char key[16], value[16];
};

struct book {
    struct balance balance;
    struct segment segments[MAX_SEGMENTS];
    struct entry entries[MAX_ENTRIES + MAX_SEGMENTS * DERIVED_PER_SEGMENT_MAX];
    struct field fields[MAX_PAIRS];
    struct pair pairs[MAX_PAIRS]; /* of fields */
    size_t segment_count, entry_count, field_count;
};

struct net {
    struct net_filter filter;
    struct id ids[MAX_PAIRS];
    struct field fields[MAX_PAIRS];
    struct pair pairs[MAX_PAIRS]; /* of fields */
};

struct question {
    instant now;
    struct book books[MAX_BALANCES];
    size_t book_count;
    struct list_filter lists[MAX_FILTERS];
    struct id list_ids[MAX_FILTERS];
    size_t list_count;
    struct net nets[MAX_FILTERS];
    size_t net_count;
};

static unsigned line_number;

static void bad(const char *what)
{
    fprintf(stderr, "ledger_calc: line %u: %s\n", line_number, what);
    exit(2);
}

static void check(bool right, const char *what)
{
    if (!right)
        bad(what);
}

static const char *word(void)
{
    const char *ret = strtok(NULL, " ");

    check(ret != NULL, "a word is missing");
    return ret;
}

static instant read_instant(const char *text)
{
    char *end;
    const long long value = strtoll(text, &end, 10);

    check(end != text && *end == '\0', "not an instant");
    return value;
}

static unsigned read_number(unsigned limit)
{
    const instant value = read_instant(word());

    check(value >= 0 && value < limit, "not such a number");
    return (unsigned)value;
}

static bool read_flag(void)
{
    return read_number(2) == 1;
}

static struct id read_id(const char *text)
{
    struct id ret;

    check(id_parse(text, &ret) == ERR_OK, "not an id");
    return ret;
}

static amount read_amount(const char *text)
{
    amount ret;

    check(amount_parse(bytes_text(text), &ret) == ERR_OK, "not an amount");
    return ret;
}

static bool read_optional(instant *ret)
{
    const char *text = word();

    if (strcmp(text, "-") == 0)
        return false;
    *ret = read_instant(text);
    return true;
}

static struct pair read_pair(struct field *keep)
{
    const int key = snprintf(keep->key, sizeof keep->key, "%s", word());
    const int value = snprintf(keep->value, sizeof keep->value, "%s", word());

    check(key < (int)sizeof keep->key && value < (int)sizeof keep->value, "too long a pair");
    return (struct pair){keep->key, keep->value};
}

static struct book *last_book(struct question *q)
{
    check(q->book_count > 0, "no balance yet");
    return &q->books[q->book_count - 1];
}

static struct net *last_net(struct question *q)
{
    check(q->net_count > 0, "no filter yet");
    return &q->nets[q->net_count - 1];
}

static void read_balance(struct question *q)
{
    check(q->book_count < MAX_BALANCES, "too many balances");
    struct book *book = &q->books[q->book_count++];
    struct balance *b = &book->balance;

    b->id = read_id(word());
    b->kind = (enum balance_kind)read_number(BALANCE_KINDS);
    b->archived = read_flag();
    b->contract_level = read_flag();
    b->allow_overdraft = read_flag();
    b->true_up_disabled = read_flag();
    b->segments = book->segments;
    const char *cap = word();
    b->has_rollover_cap = strcmp(cap, "-") != 0;
    if (b->has_rollover_cap)
        b->rollover_cap = read_amount(cap);
}

static void read_segment(struct book *book)
{
    check(book->segment_count < MAX_SEGMENTS, "too many segments");
    struct segment *s = &book->segments[book->segment_count++];

    s->id = read_id(word());
    s->role = (enum segment_role)read_number(SEGMENT_ROLLOVER + 1);
    s->starting_at = read_instant(word());
    s->ending_before = read_instant(word());
    s->granted = read_amount(word());
    book->balance.segment_count = book->segment_count;
}

/* The sum that the entry moves. */
static amount *sum_of(struct segment *s, const struct entry *e)
{
    switch (e->type) {
    case ENTRY_PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION:
    case ENTRY_POSTPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION:
    case ENTRY_CREDIT_AUTOMATED_INVOICE_DEDUCTION:
    case ENTRY_ACCOUNT_BALANCE_DEDUCTION:
        return e->draft ? &s->draft : &s->final;
    case ENTRY_PREPAID_COMMIT_MANUAL:
    case ENTRY_POSTPAID_COMMIT_MANUAL:
    case ENTRY_CREDIT_MANUAL:
    case ENTRY_ACCOUNT_BALANCE_TRANSACTION:
        return &s->manual;
    default:
        return &s->other;
    }
}

static void read_entry(struct book *book)
{
    check(book->segment_count > 0 && book->entry_count < MAX_ENTRIES, "no room for an entry");
    struct segment *s = &book->segments[book->segment_count - 1];
    struct entry *e = &book->entries[book->entry_count++];

    e->id = read_id(word());
    e->balance_id = book->balance.id;
    e->segment_id = s->id;
    check(entry_type_parse(word(), &e->type) == ERR_OK, "not a type");
    e->draft = read_flag();
    e->value = read_amount(word());
    e->at = read_instant(word());
    amount *sum = sum_of(s, e);
    check(amount_add(*sum, e->value, sum) == ERR_OK, "a sum that the database would refuse");
}

static void read_list(struct question *q)
{
    check(q->list_count < MAX_FILTERS, "too many filters");
    struct list_filter *f = &q->lists[q->list_count++];

    f->kinds = read_number(1u << BALANCE_KINDS);
    const char *id = word();
    f->ids = &q->list_ids[q->list_count - 1];
    f->id_count = strcmp(id, "-") != 0;
    if (f->id_count > 0)
        q->list_ids[q->list_count - 1] = read_id(id);
    f->has_covering = read_optional(&f->covering);
    f->has_starting_at = read_optional(&f->starting_at);
    f->has_effective_before = read_optional(&f->effective_before);
    f->include_contract_level = read_flag();
    f->include_archived = read_flag();
    f->exclude_zero = read_flag();
}

static void read_net(struct question *q)
{
    check(q->net_count < MAX_FILTERS, "too many filters");
    struct net *net = &q->nets[q->net_count++];

    net->filter.kinds = read_number(1u << BALANCE_KINDS);
    net->filter.ids = net->ids;
    net->filter.fields = net->pairs;
}

static void read_field(struct book *book)
{
    check(book->field_count < MAX_PAIRS, "too many fields");
    book->pairs[book->field_count] = read_pair(&book->fields[book->field_count]);
    book->field_count++;
}

static void read_net_id(struct net *net)
{
    check(net->filter.id_count < MAX_PAIRS, "too many ids");
    net->ids[net->filter.id_count++] = read_id(word());
}

static void read_net_field(struct net *net)
{
    check(net->filter.field_count < MAX_PAIRS, "too many pairs");
    const size_t i = net->filter.field_count++;

    net->pairs[i] = read_pair(&net->fields[i]);
}

static void print_id(const struct id *id)
{
    printf(" %s", id_format(id).text);
}

static void print_amount(enum err err, amount value)
{
    printf(" %s", err == ERR_OK ? amount_format(value).text : err_reason(err));
}

static void answer_segments(const struct book *book)
{
    for (size_t i = 0; i < book->segment_count; i++) {
        const struct segment *s = &book->segments[i];
        amount left = 0;

        printf("remaining");
        print_id(&s->id);
        enum err err = segment_remaining(&book->balance, s, INCLUDE_FINAL_AND_DRAFT, &left);
        print_amount(err, left);
        err = segment_remaining(&book->balance, s, INCLUDE_FINAL, &left);
        print_amount(err, left);
        printf("\n");
    }
}

static void answer_balance(const struct book *book, instant now)
{
    const struct balance *b = &book->balance;
    amount value = 0;

    printf("balance");
    print_id(&b->id);
    enum err err = balance_now(b, now, INCLUDE_FINAL_AND_DRAFT, &value);
    print_amount(err, value);
    err = balance_now(b, now, INCLUDE_FINAL, &value);
    print_amount(err, value);
    err = balance_total(b, &value);
    print_amount(err, value);
    const instant next = schedule_next_change(b->segments, b->segment_count, now);
    if (next == INSTANT_NEVER)
        printf(" never\n");
    else
        printf(" %lld\n", (long long)next);
}

static int compare_entries(const void *a, const void *b)
{
    return entry_compare(a, b);
}

static void answer_ledger(struct book *book, instant now)
{
    enum err err = ERR_OK;

    if (book->balance.archived)
        book->entry_count = 0; /* no ledger; that none is derived either is what is compared */
    for (size_t i = 0; i < book->segment_count && err == ERR_OK; i++) {
        size_t count = 0;
        err = derive_entries(&book->balance, &book->segments[i], now,
                             book->entries + book->entry_count, &count);
        book->entry_count += count;
    }
    if (err != ERR_OK) {
        printf("ledger");
        print_id(&book->balance.id);
        printf(" %s\n", err_reason(err));
        return;
    }
    qsort(book->entries, book->entry_count, sizeof *book->entries, compare_entries);
    for (size_t i = 0; i < book->entry_count; i++) {
        const struct entry *e = &book->entries[i];
        printf("entry");
        print_id(&e->balance_id);
        print_id(&e->segment_id);
        printf(" %lld %s %d", (long long)e->at, entry_type_name(e->type), e->draft);
        print_amount(ERR_OK, e->value);
        print_id(&e->id);
        printf("\n");
    }
}

static void answer_list(const struct question *q, const struct list_filter *f)
{
    printf("list");
    for (size_t i = 0; i < q->book_count; i++) {
        const struct balance *b = &q->books[i].balance;
        bool selects = false;
        const enum err err = list_filter_selects(f, b, q->now, &selects);

        if (err != ERR_OK)
            printf(" %s", err_reason(err));
        else if (selects)
            print_id(&b->id);
    }
    printf("\n");
}

static enum err net_balance(const struct question *q, enum inclusion inclusion, amount *ret)
{
    struct net_filter filters[MAX_FILTERS];
    struct amount_sum sum = {0};

    for (size_t i = 0; i < q->net_count; i++)
        filters[i] = q->nets[i].filter;
    for (size_t i = 0; i < q->book_count; i++) {
        const struct book *book = &q->books[i];
        amount value;

        if (!net_filters_select(filters, q->net_count, &book->balance, book->pairs,
                                book->field_count))
            continue;
        const enum err err = balance_now(&book->balance, q->now, inclusion, &value);
        if (err != ERR_OK)
            return err;
        amount_sum_add(&sum, value);
    }
    return amount_sum_value(&sum, ret);
}

static void answer(struct question *q)
{
    amount net = 0;

    for (size_t i = 0; i < q->book_count; i++) {
        answer_segments(&q->books[i]);
        answer_balance(&q->books[i], q->now);
        answer_ledger(&q->books[i], q->now);
    }
    for (size_t i = 0; i < q->list_count; i++)
        answer_list(q, &q->lists[i]);
    printf("net");
    enum err err = net_balance(q, INCLUDE_FINAL_AND_DRAFT, &net);
    print_amount(err, net);
    err = net_balance(q, INCLUDE_FINAL, &net);
    print_amount(err, net);
    printf("\nend\n");
}

static void obey(struct question *q, const char *command)
{
    if (strcmp(command, "now") == 0)
        q->now = read_instant(word());
    else if (strcmp(command, "balance") == 0)
        read_balance(q);
    else if (strcmp(command, "field") == 0)
        read_field(last_book(q));
    else if (strcmp(command, "segment") == 0)
        read_segment(last_book(q));
    else if (strcmp(command, "entry") == 0)
        read_entry(last_book(q));
    else if (strcmp(command, "list") == 0)
        read_list(q);
    else if (strcmp(command, "net") == 0)
        read_net(q);
    else if (strcmp(command, "net-id") == 0)
        read_net_id(last_net(q));
    else if (strcmp(command, "net-field") == 0)
        read_net_field(last_net(q));
    else
        bad("no such command");
}

int main(void)
{
    static struct question question;
    char line[512];

    while (fgets(line, sizeof line, stdin) != NULL) {
        line_number++;
        line[strcspn(line, "\n")] = '\0';
        const char *command = strtok(line, " ");

        check(command != NULL, "an empty line");
        if (strcmp(command, "end") == 0) {
            answer(&question);
            question = (struct question){0};
        } else {
            obey(&question, command);
        }
        check(strtok(NULL, " ") == NULL, "too many words");
    }
    return 0;
}

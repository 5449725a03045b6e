/* What the tests of the ledger share: amounts and instants as a person writes them, and a book that
 * keeps a balance the way the database does. Entries that are booked move the sums of their
 * segment; ledger_at() is the whole ledger, stored and derived, in its order. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <time.h>

#include "ledger/amount.h"
#include "ledger/balance.h"
#include "ledger/derived.h"
#include "ledger/model.h"
#include "ledger/order.h"

enum { BOOK_SEGMENTS = 4, BOOK_ENTRIES = 32 };

struct book {
    struct balance balance;
    struct segment segments[BOOK_SEGMENTS];
    struct entry stored[BOOK_ENTRIES];
    size_t stored_count;
};

struct ledger {
    struct entry entries[BOOK_ENTRIES + BOOK_SEGMENTS * DERIVED_PER_SEGMENT_MAX];
    size_t count;
};

/* One expected line of a ledger. */
struct line {
    instant at;
    enum entry_type type;
    const char *value, *running;
};

#define assert_amount(actual, expected) assert_string_equal(amount_format(actual).text, expected)

static inline amount units(const char *text)
{
    amount ret;

    assert_int_equal(amount_parse(bytes_text(text), &ret), ERR_OK);
    return ret;
}

/* Midnight UTC. */
static inline instant date(int year, int month, int day)
{
    struct tm tm = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day};

    return (instant)timegm(&tm) * 1000000;
}

static inline struct segment *book_segment(struct book *book, instant starting_at,
                                           instant ending_before, const char *granted)
{
    assert_true(book->balance.segment_count < BOOK_SEGMENTS);
    struct segment *s = &book->segments[book->balance.segment_count++];

    *s = (struct segment){
        .id = id_random(),
        .starting_at = starting_at,
        .ending_before = ending_before,
        .granted = units(granted),
    };
    book->balance.segments = book->segments;
    return s;
}

/* Moves the sum that the database would move. */
static inline void book_entry(struct book *book, struct segment *s, enum entry_type type,
                              const char *value, instant at)
{
    assert_true(book->stored_count < BOOK_ENTRIES);
    struct entry *e = &book->stored[book->stored_count++];

    *e = (struct entry){
        .id = id_random(),
        .balance_id = book->balance.id,
        .segment_id = s->id,
        .type = type,
        .value = units(value),
        .at = at,
    };
    switch (type) {
    case ENTRY_PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION:
    case ENTRY_POSTPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION:
    case ENTRY_CREDIT_AUTOMATED_INVOICE_DEDUCTION:
    case ENTRY_ACCOUNT_BALANCE_DEDUCTION:
        s->final += e->value;
        break;
    case ENTRY_PREPAID_COMMIT_MANUAL:
    case ENTRY_POSTPAID_COMMIT_MANUAL:
    case ENTRY_CREDIT_MANUAL:
    case ENTRY_ACCOUNT_BALANCE_TRANSACTION:
        s->manual += e->value;
        break;
    default:
        s->other += e->value;
        break;
    }
}

static inline void book_draft(struct book *book, struct segment *s, enum entry_type type,
                              const char *value, instant at)
{
    book_entry(book, s, type, value, at);
    struct entry *e = &book->stored[book->stored_count - 1];

    e->draft = true;
    s->final -= e->value;
    s->draft += e->value;
}

static inline int compare_entries(const void *a, const void *b)
{
    return entry_compare(a, b);
}

static inline void ledger_at(const struct book *book, instant now, struct ledger *ret)
{
    memcpy(ret->entries, book->stored, book->stored_count * sizeof *book->stored);
    ret->count = book->stored_count;
    for (size_t i = 0; i < book->balance.segment_count; i++) {
        size_t derived;
        assert_int_equal(derive_entries(&book->balance, &book->segments[i], now,
                                        ret->entries + ret->count, &derived),
                         ERR_OK);
        ret->count += derived;
    }
    qsort(ret->entries, ret->count, sizeof *ret->entries, compare_entries);
}

static inline void assert_ledger(const struct book *book, instant now, const struct line *lines,
                                 size_t count)
{
    struct ledger ledger;
    amount running = 0;

    ledger_at(book, now, &ledger);
    assert_int_equal(ledger.count, count);
    for (size_t i = 0; i < count; i++) {
        const struct entry *e = &ledger.entries[i];
        assert_string_equal(entry_type_name(e->type), entry_type_name(lines[i].type));
        assert_int_equal(e->at, lines[i].at);
        assert_amount(e->value, lines[i].value);
        assert_int_equal(amount_add(running, e->value, &running), ERR_OK);
        assert_amount(running, lines[i].running);
    }
}

#define assert_ledger_is(book, now, ...)                         \
    assert_ledger(book, now, (const struct line[]){__VA_ARGS__}, \
                  sizeof((const struct line[]){__VA_ARGS__}) / sizeof(struct line))

/* Balance now as text, with and without the drafts' deductions. */
static inline void assert_usable(const struct book *book, instant now, const char *with_drafts,
                                 const char *finalized)
{
    amount value;

    assert_int_equal(balance_now(&book->balance, now, INCLUDE_FINAL_AND_DRAFT, &value), ERR_OK);
    assert_amount(value, with_drafts);
    assert_int_equal(balance_now(&book->balance, now, INCLUDE_FINAL, &value), ERR_OK);
    assert_amount(value, finalized);
}

/* The words of the domain as data: balances with their segments, and ledger entries. Plain values
 * without I/O; whoever fills them in owns what they point to. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "ledger/amount.h"

/* Microseconds since 1970-01-01T00:00:00Z, the resolution of the database. */
typedef int64_t instant;

#define INSTANT_NEVER INT64_MAX

enum balance_kind {
    BALANCE_PREPAID_COMMIT,
    BALANCE_POSTPAID_COMMIT,
    BALANCE_CREDIT,
    BALANCE_ACCOUNT,
    BALANCE_KINDS,
};

/* An account balance that rolls over has a second segment, from its end to the end of its rollover:
 * what the first segment leaves, up to the cap, is usable there. Everything else is access. */
enum segment_role {
    SEGMENT_ACCESS,
    SEGMENT_ROLLOVER,
};

/* A stretch of time, start included and end excluded, and what may be used in it. The sums are
 * those of the stored entries; a draw-down is negative. */
struct segment {
    struct id id;
    enum segment_role role;
    instant starting_at;
    instant ending_before;
    amount granted; /* by the schedule; 0 for account balances, which live by their transactions */
    amount final;   /* deductions of final invoices */
    amount draft;   /* deductions of draft invoices */
    amount manual;
    amount other; /* all other stored entries: rollovers, true-ups, seats, cancellations, … */
};

struct balance {
    struct id id;
    enum balance_kind kind;
    bool archived;
    bool contract_level;
    bool allow_overdraft;
    bool rolled_over;      /* from another balance: it is not edited (domain.md B12) */
    bool true_up_disabled; /* postpaid: the shortfall lapses instead of being billed */
    bool has_rollover_cap; /* account balances; without it everything rolls over */
    amount rollover_cap;
    const struct segment *segments; /* in any order */
    size_t segment_count;
};

/* A key and its value, compared exactly: a custom field, a group value of usage. */
struct pair {
    const char *key, *value;
};

/* Whose deductions count. */
enum inclusion {
    INCLUDE_FINAL_AND_DRAFT,
    INCLUDE_FINAL,
};

/* In the order in which entries of one instant follow each other: start, manual, deduction,
 * what gives back, what carries or bills, expiration (domain.md B2). The database's enum of the
 * same names is declared in the same order. */
// clang-format off
#define ENTRY_TYPES(X)                       \
    X(PREPAID_COMMIT_SEGMENT_START)          \
    X(POSTPAID_COMMIT_INITIAL_BALANCE)       \
    X(CREDIT_SEGMENT_START)                  \
    X(PREPAID_COMMIT_SEAT_BASED_ADJUSTMENT)  \
    X(CREDIT_SEAT_BASED_ADJUSTMENT)          \
    X(PREPAID_COMMIT_MANUAL)                 \
    X(POSTPAID_COMMIT_MANUAL)                \
    X(CREDIT_MANUAL)                         \
    X(ACCOUNT_BALANCE_TRANSACTION)           \
    X(PREPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION)  \
    X(POSTPAID_COMMIT_AUTOMATED_INVOICE_DEDUCTION) \
    X(CREDIT_AUTOMATED_INVOICE_DEDUCTION)    \
    X(ACCOUNT_BALANCE_DEDUCTION)             \
    X(PREPAID_COMMIT_CANCELED)               \
    X(POSTPAID_COMMIT_CANCELED)              \
    X(CREDIT_CANCELED)                       \
    X(ACCOUNT_BALANCE_CANCELED)              \
    X(PREPAID_COMMIT_CREDITED)               \
    X(POSTPAID_COMMIT_CREDITED)              \
    X(CREDIT_CREDITED)                       \
    X(PREPAID_COMMIT_ROLLOVER)               \
    X(POSTPAID_COMMIT_ROLLOVER)              \
    X(CREDIT_ROLLOVER)                       \
    X(ACCOUNT_BALANCE_ROLLOVER)              \
    X(POSTPAID_COMMIT_TRUEUP)                \
    X(PREPAID_COMMIT_EXPIRATION)             \
    X(POSTPAID_COMMIT_EXPIRATION)            \
    X(CREDIT_EXPIRATION)                     \
    X(ACCOUNT_BALANCE_EXPIRATION)
// clang-format on

enum entry_type {
#define X(name) ENTRY_##name,
    ENTRY_TYPES(X)
#undef X
        ENTRY_TYPE_COUNT,
};

/* One event that changes a segment. */
struct entry {
    struct id id;
    struct id balance_id;
    struct id segment_id;
    enum entry_type type;
    bool draft; /* a deduction that may still change */
    amount value;
    instant at;
};

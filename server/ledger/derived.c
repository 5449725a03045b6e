/* Turns a schedule into the entries that follow from it. The ids come from the segment's id and a
 * fixed name, so they survive any change of the values; the order of the calls is the order of the
 * ledger. */
#include "ledger/derived.h"

#include <assert.h>

#include "ledger/balance.h"
#include "ledger/schedule.h"

/* Nothing is granted to an account balance, so its segments have no start. */
#define NO_ENTRY ENTRY_TYPE_COUNT

static const struct {
    enum entry_type start, expiration;
} types[BALANCE_KINDS] = {
    [BALANCE_PREPAID_COMMIT] = {ENTRY_PREPAID_COMMIT_SEGMENT_START,
                                ENTRY_PREPAID_COMMIT_EXPIRATION},
    [BALANCE_POSTPAID_COMMIT] = {ENTRY_POSTPAID_COMMIT_INITIAL_BALANCE,
                                 ENTRY_POSTPAID_COMMIT_EXPIRATION},
    [BALANCE_CREDIT] = {ENTRY_CREDIT_SEGMENT_START, ENTRY_CREDIT_EXPIRATION},
    [BALANCE_ACCOUNT] = {NO_ENTRY, ENTRY_ACCOUNT_BALANCE_EXPIRATION},
};

struct output {
    const struct balance *balance;
    const struct segment *segment;
    struct entry *entries;
    size_t count;
};

/* `name` makes the id, together with the segment's: it may never change. */
static void put(struct output *out, const char *name, enum entry_type type, amount value,
                instant at)
{
    if (value == 0 || type == NO_ENTRY)
        return;
    assert(out->count < DERIVED_PER_SEGMENT_MAX);
    out->entries[out->count++] = (struct entry){
        .id = id_derived(&out->segment->id, name),
        .balance_id = out->balance->id,
        .segment_id = out->segment->id,
        .type = type,
        .value = value,
        .at = at,
    };
}

enum err derive_entries(const struct balance *b, const struct segment *s, instant now,
                        struct entry ret[static DERIVED_PER_SEGMENT_MAX], size_t *ret_count)
{
    const enum segment_state state = segment_state_at(s, now);
    const bool ended = state == SEGMENT_EXPIRED;
    const bool lapses = ended && (b->kind != BALANCE_POSTPAID_COMMIT || b->true_up_disabled);
    const bool carries_in = s->role == SEGMENT_ROLLOVER;
    const bool carries_out = s->role == SEGMENT_ACCESS && ended;
    struct output out = {.balance = b, .segment = s, .entries = ret};
    amount carried = 0, left = 0;
    enum err err = ERR_OK;

    if (b->archived || state == SEGMENT_UPCOMING) {
        *ret_count = 0;
        return ERR_OK;
    }
    /* All that can fail comes before anything is written. */
    if (carries_in || carries_out)
        err = balance_carried(b, INCLUDE_FINAL_AND_DRAFT, &carried);
    if (err == ERR_OK && lapses)
        err = segment_remaining(b, s, INCLUDE_FINAL_AND_DRAFT, &left);
    if (err != ERR_OK)
        return err;

    put(&out, "start", types[b->kind].start, s->granted, s->starting_at);
    if (carries_in)
        put(&out, "rollover-in", ENTRY_ACCOUNT_BALANCE_ROLLOVER, carried, s->starting_at);
    if (carries_out) {
        put(&out, "rollover-out", ENTRY_ACCOUNT_BALANCE_ROLLOVER, -carried, s->ending_before);
        left -= carried;
    }
    if (lapses)
        put(&out, "expiration", types[b->kind].expiration, -left, s->ending_before);
    *ret_count = out.count;
    return ERR_OK;
}

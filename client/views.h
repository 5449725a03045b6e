/* Answers as tables: which columns each has and what stands in them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <protobuf-c/protobuf-c.h>

#include "client/terminal.h"

/* What commands show. */
struct view_kind;
extern const struct view_kind view_balances;
extern const struct view_kind view_credits;
extern const struct view_kind view_commits;
extern const struct view_kind view_net;
/* How the balances of a list went down, drawn from their ledgers. */
extern const struct view_kind view_burn_down;
extern const struct view_kind view_ledger;
/* Of account balances: one of them, or a list. */
extern const struct view_kind view_accounts;
extern const struct view_kind view_transactions;
extern const struct view_kind view_summary;
extern const struct view_kind view_types;
extern const struct view_kind view_order;
/* What covers each charge, and what nothing covers. */
extern const struct view_kind view_draw;
/* Of every write that answers with an id, an amount or a token alone. */
extern const struct view_kind view_written;

/* Whether it draws charts, of all that there is, instead of printing rows as they come. */
bool view_draws(const struct view_kind *kind);

struct view;

/* `request` is what is asked, and is not kept: it says whether there is a column for what can be
 * used now, and whether the entries of a ledger can be summed. */
struct view *view_create(const struct view_kind *kind, const ProtobufCMessage *request,
                         const struct terminal *terminal);
/* Takes NULL. */
void view_free(struct view *view);

/* Prints one page, an answer of the view's method. */
void view_page(struct view *view, const ProtobufCMessage *answer, FILE *out);
/* Prints what waits for the last page: the ledgers that came with balances, and charts. */
void view_end(struct view *view, FILE *out);
/* What none of was found ("balances"), or NULL. */
const char *view_missing(const struct view *view);
/* What a reader has to know about what was printed, as a sentence, or NULL. */
const char *view_caveat(const struct view *view);

/* How balances went down: the sum of their ledgers over time, one chart for each credit type,
 * because amounts of different ones do not add up. */
#pragma once

#include <stddef.h>
#include <stdio.h>

#include "client/balance_row.h"
#include "client/terminal.h"

struct burn_down;

struct burn_down *burn_down_create(void);
/* Takes NULL. */
void burn_down_free(struct burn_down *burn_down);

/* Adds a balance with its whole ledger; nothing of the row is kept. */
void burn_down_add(struct burn_down *burn_down, const struct balance_row *row);
/* How many were added. */
size_t burn_down_balances(const struct burn_down *burn_down);
/* Prints what was added: whose it is, from when to when, and the chart. Once, at the end. */
void burn_down_print(struct burn_down *burn_down, FILE *out, const struct terminal *terminal);

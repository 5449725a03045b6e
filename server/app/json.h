/* Maps and specifiers as JSON, spelled exactly as PostgreSQL spells its jsonb: the schema bounds
 * the length of that text, so it is known before the database sees it. Texts are made in an arena;
 * no data where it is full. */
#pragma once

#include "app/normal.h"
#include "balances/v1/balances.pb-c.h"
#include "base/arena.h"

struct bytes json_map(struct arena *a, struct text_pair *const *pairs, size_t count);
struct bytes json_specifiers(struct arena *a, Balances__V1__Specifier *const *specifiers,
                             size_t count);

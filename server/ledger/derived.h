/* The ledger entries that nobody stores: a segment's start, what rolls over, and its expiration.
 * They follow from the schedule and the sums at the moment of the read, so they cannot disagree
 * with them and no job has to write them (design: ruling 3). Pure. */
#pragma once

#include "ledger/model.h"

enum { DERIVED_PER_SEGMENT_MAX = 4 };

/* Writes the derived entries of one segment that exist at `now`; returns how many, in ledger order.
 * None is of zero, and an archived balance has none.
 *
 *   start       what is granted, from the start of the segment
 *   roll-over   what an account balance's access segment carries, at its end: out of it, and into
 *               its ROLLOVER segment
 *   expiration  from the end of the segment, minus what is left then, drafts included: the segment
 *               sums to zero, also where it ended in debt. Not for a postpaid commit whose
 * shortfall is billed: its true-up is a stored entry.
 *
 * An entry keeps its id from read to read, while its value follows late deductions. ERR_RANGE where
 * the sums overflow. */
MUST_CHECK enum err derive_entries(const struct balance *b, const struct segment *s, instant now,
                                   struct entry ret[static DERIVED_PER_SEGMENT_MAX],
                                   size_t *ret_count);

/* What is left, computed from the running sums of the segments and never from the entries, so that
 * its cost does not grow with the ledger. Pure. Every function gives ERR_RANGE where a result has
 * more digits than an amount may have, whatever the order of what was summed. */
#pragma once

#include "ledger/model.h"

/* What is left of a segment by its entries: may be negative. For a ROLLOVER segment this includes
 * what its balance's access segment leaves to it. The clock has no say: see balance_now. */
MUST_CHECK enum err segment_remaining(const struct balance *b, const struct segment *s,
                                      enum inclusion inclusion, amount *ret);

/* What the access segment leaves to the ROLLOVER segment: all that remains of it, at most the cap,
 * never a debt. Always by the present sums, so that a late deduction takes back what it needs; 0
 * where nothing rolls over (domain.md B17). */
MUST_CHECK enum err balance_carried(const struct balance *b, enum inclusion inclusion, amount *ret);

/* How much may be taken from a segment without debt: what is left of it, less what its rollover has
 * spent already, because that was carried there. Never negative. */
MUST_CHECK enum err segment_drawable(const struct balance *b, const struct segment *s, amount *ret);

/* Usable now: the sum over active segments, floored at zero per segment unless `allow_overdraft`;
 * 0 if archived (design: rulings 2 and 8). */
MUST_CHECK enum err balance_now(const struct balance *b, instant now, enum inclusion inclusion,
                                amount *ret);

/* The sum of an account balance's stored entries, whatever their date: what was ever put in less
 * what was ever taken, without what expired or rolled over, and without drafts, which may change.
 */
MUST_CHECK enum err balance_total(const struct balance *b, amount *ret);

/* What the whole schedule grants. */
MUST_CHECK enum err balance_granted(const struct balance *b, amount *ret);

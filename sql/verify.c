/* Recomputes what triggers keep: the totals of every segment from its entries and drafts, the chain
 * of positions of every account balance, the rollover segments, and that every customer has a
 * version.
 *
 * Customers are taken in batches, by id. Each batch is read in one snapshot, so writers that go on
 * meanwhile cause no false alarm, and neither side ever holds more than a batch. A batch is a range
 * of ids and not a list of customers, so that rows whose customer is missing are found as well. */
#include "sql/verify.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/id.h"
#include "base/log.h"
#include "sql/session.h"

/* $1 is the last customer of the batch before, null at first; $2 the last of this one, null for all
 * that are left. */
#define IN_BATCH(table)                                       \
    "(($1::uuid IS NULL OR " table ".customer_id > $1::uuid)" \
    " AND ($2::uuid IS NULL OR " table ".customer_id <= $2::uuid))"

#define TIME(value) "to_char(" value ", 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"

// clang-format off
static const char last_of_batch[] =
    "SELECT customer_id FROM customer"
    " WHERE $1::uuid IS NULL OR customer_id > $1::uuid"
    " ORDER BY customer_id OFFSET 999 LIMIT 1";

static const char size_of_batch[] =
    "SELECT (SELECT count(*) FROM customer c WHERE " IN_BATCH("c") "),"
    "       (SELECT count(*) FROM segment s WHERE " IN_BATCH("s") "),"
    "       (SELECT count(*) FROM ledger_entry e WHERE " IN_BATCH("e") "),"
    "       (SELECT count(*) FROM draft_deduction d WHERE " IN_BATCH("d") ")";

/* Each of these gives customer, balance, segment, what, stored and computed for every drift. */
static const char *const drifts[] = {
    /* Outer joins on both sides: entries without their segment are a drift, too. */
    "WITH entry AS ("
    "  SELECT e.customer_id, e.balance_id, e.segment_id, count(*) AS entries,"
    "         sum(e.amount) FILTER (WHERE r.total = 'FINAL') AS final,"
    "         sum(e.amount) FILTER (WHERE r.total = 'MANUAL') AS manual,"
    "         sum(e.amount) FILTER (WHERE r.total = 'OTHER') AS other"
    "    FROM ledger_entry e JOIN ledger_entry_rule r ON r.type = e.type"
    "   WHERE " IN_BATCH("e")
    "   GROUP BY e.customer_id, e.balance_id, e.segment_id),"
    " draft AS ("
    "  SELECT d.customer_id, d.balance_id, d.segment_id, count(*) AS drafts,"
    "         sum(d.amount) AS draft"
    "    FROM draft_deduction d WHERE " IN_BATCH("d")
    "   GROUP BY d.customer_id, d.balance_id, d.segment_id),"
    " kept AS ("
    "  SELECT s.customer_id, s.balance_id, s.id AS segment_id, s.total_final, s.total_draft,"
    "         s.total_manual, s.total_other, s.entry_count"
    "    FROM segment s WHERE " IN_BATCH("s") ")"
    "SELECT customer_id, balance_id, segment_id, t.what,"
    "       trim_scale(t.stored), trim_scale(t.computed)"
    "  FROM kept k"
    "  FULL JOIN entry e USING (customer_id, balance_id, segment_id)"
    "  FULL JOIN draft d USING (customer_id, balance_id, segment_id)"
    " CROSS JOIN LATERAL (VALUES"
    "   ('total_final', k.total_final::numeric, coalesce(e.final, 0)),"
    "   ('total_draft', k.total_draft::numeric, coalesce(d.draft, 0)),"
    "   ('total_manual', k.total_manual::numeric, coalesce(e.manual, 0)),"
    "   ('total_other', k.total_other::numeric, coalesce(e.other, 0)),"
    "   ('entry_count', k.entry_count::numeric, coalesce(e.entries, 0) + coalesce(d.drafts, 0))"
    "  ) t (what, stored, computed)"
    " WHERE t.stored IS DISTINCT FROM t.computed"
    " ORDER BY customer_id, balance_id, segment_id, t.what",

    "SELECT c.customer_id, NULL, NULL, 'ledger_version', NULL, 'at least 1'"
    "  FROM customer c"
    " WHERE " IN_BATCH("c")
    "   AND NOT EXISTS (SELECT FROM ledger_version v WHERE v.customer_id = c.customer_id)"
    " ORDER BY c.customer_id",

    /* The first entry at which a balance's chain breaks; the others follow from it. */
    "SELECT DISTINCT ON (n.customer_id, n.balance_id) n.customer_id, n.balance_id, n.segment_id,"
    "       'entry ' || n.id, 'seq ' || n.seq || ' running ' || trim_scale(n.running_amount),"
    "       'seq ' || n.place || ' running ' || trim_scale(n.running)"
    "  FROM (SELECT e.customer_id, e.balance_id, e.segment_id, e.id, e.seq, e.running_amount,"
    "               row_number() OVER w AS place, sum(e.amount) OVER w AS running"
    "          FROM ledger_entry e"
    "         WHERE " IN_BATCH("e")
    "           AND e.type IN ('ACCOUNT_BALANCE_TRANSACTION', 'ACCOUNT_BALANCE_DEDUCTION',"
    "                          'ACCOUNT_BALANCE_CANCELED')"
    "        WINDOW w AS (PARTITION BY e.customer_id, e.balance_id"
    "                     ORDER BY e.seq NULLS LAST, e.id)) n"
    " WHERE n.seq IS DISTINCT FROM n.place OR n.running_amount IS DISTINCT FROM n.running"
    " ORDER BY n.customer_id, n.balance_id, n.place",

    "SELECT customer_id, balance_id, r.id, 'rollover',"
    "       " TIME("r.starting_at") " || '/' || " TIME("r.ending_before") ","
    "       " TIME("a.starts") " || '/' || " TIME("a.ends")
    "  FROM (SELECT s.customer_id, s.balance_id, s.ending_before AS starts,"
    "               b.rollover_ending_before AS ends"
    "          FROM balance b"
    "          JOIN segment s ON s.customer_id = b.customer_id AND s.balance_id = b.id"
    "                        AND s.role = 'ACCESS'"
    "         WHERE " IN_BATCH("b") " AND b.rollover_ending_before IS NOT NULL) a"
    "  FULL JOIN (SELECT * FROM segment s"
    "              WHERE " IN_BATCH("s") " AND s.role = 'ROLLOVER') r"
    " USING (customer_id, balance_id)"
    " WHERE (r.starting_at, r.ending_before) IS DISTINCT FROM (a.starts, a.ends)"
    " ORDER BY customer_id, balance_id",
};
// clang-format on

struct verification {
    struct session *session;
    FILE *out;
    int64_t customers, segments, entries, drafts, drifts;
    /* The batch, as $1 and $2. */
    struct id_text after, last;
    bool has_after, has_last;
};

static const char *or_dash(const char *text)
{
    return text ? text : "-";
}

static void on_drift(void *arg, const char *const *columns, int count)
{
    struct verification *v = arg;

    assert(count == 6);
    fprintf(v->out, "drift: customer %s balance %s segment %s: %s stored %s computed %s\n",
            or_dash(columns[0]), or_dash(columns[1]), or_dash(columns[2]), or_dash(columns[3]),
            or_dash(columns[4]), or_dash(columns[5]));
    v->drifts++;
}

static void on_size(void *arg, const char *const *columns, int count)
{
    struct verification *v = arg;

    assert(count == 4);
    v->customers += strtoll(columns[0], NULL, 10);
    v->segments += strtoll(columns[1], NULL, 10);
    v->entries += strtoll(columns[2], NULL, 10);
    v->drafts += strtoll(columns[3], NULL, 10);
}

static void on_last(void *arg, const char *const *columns, int count)
{
    struct verification *v = arg;

    assert(count == 1);
    v->has_last = true;
    snprintf(v->last.text, sizeof v->last.text, "%s", columns[0]);
}

/* One batch in one snapshot. Leaves the session outside of a transaction only where it succeeds. */
static enum err verify_batch(struct verification *v)
{
    const char *params[] = {v->has_after ? v->after.text : NULL, NULL};
    enum err err = session_script(v->session, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");

    v->has_last = false;
    if (err == ERR_OK)
        err = session_query(v->session, last_of_batch, params, 1, on_last, v);
    params[1] = v->has_last ? v->last.text : NULL;
    if (err == ERR_OK)
        err = session_query(v->session, size_of_batch, params, 2, on_size, v);
    for (size_t i = 0; i < sizeof drifts / sizeof *drifts && err == ERR_OK; i++)
        err = session_query(v->session, drifts[i], params, 2, on_drift, v);
    if (err == ERR_OK)
        err = session_script(v->session, "COMMIT");
    return err;
}

static void on_found(void *arg, const char *const *columns, int count)
{
    bool *found = arg;

    assert(count == 1);
    *found = columns[0] != NULL;
}

static enum err check_schema(struct session *s)
{
    bool found = false;
    enum err err = session_query(s, "SELECT to_regclass('balances.ledger_version')", NULL, 0,
                                 on_found, &found);

    if (err != ERR_OK) {
        log_error("verify", "%s", session_why(s));
    } else if (!found) {
        log_error("verify", "this database has no schema yet: run balanced migrate");
        err = ERR_PRECONDITION;
    }
    return err;
}

static enum err verify_all(struct verification *v)
{
    enum err err = session_script(v->session, "SET search_path = balances, pg_temp;"
                                              "SET timezone = 'UTC';"
                                              "SET statement_timeout = 0");

    while (err == ERR_OK) {
        err = verify_batch(v);
        if (!v->has_last)
            break;
        v->after = v->last;
        v->has_after = true;
    }
    if (err != ERR_OK)
        log_error("verify", "%s", session_why(v->session));
    return err;
}

enum err verify(const char *database_url, FILE *out, bool *ret_drift)
{
    struct verification v = {.out = out};
    char why[256];
    enum err err = session_open(database_url, &v.session, why, sizeof why);

    if (err != ERR_OK) {
        log_error("verify", "%s", why);
        return err;
    }
    err = check_schema(v.session);
    if (err == ERR_OK)
        err = verify_all(&v);
    if (err == ERR_OK) {
        fprintf(out,
                "verified %" PRId64 " customers, %" PRId64 " segments, %" PRId64
                " entries and %" PRId64 " drafts: %" PRId64 " drifts\n",
                v.customers, v.segments, v.entries, v.drafts, v.drifts);
        *ret_drift = v.drifts > 0;
    }
    session_close(v.session);
    return err;
}

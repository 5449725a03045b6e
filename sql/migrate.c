/* Brings a database to the schema that this program was built with.
 *
 *     connect --> take turn --> prepare --> check record --> apply one --> … --> up to date
 *                                                '--> refuse: newer, a gap, or edited
 *
 * An applied migration is a fact: its row holds the checksum of its text, written in the
 * transaction that did the work, so a database is always at one version exactly. There is no way
 * back; a mistake is corrected by another migration. */
#include "sql/migrate.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/log.h"
#include "sql/schema.h"
#include "sql/session.h"

/* Everybody who migrates takes this advisory lock; the number spells "balanced". */
#define TURN "7089066454177506660"

/* Limits that the role or the database may have for requests are not meant for migrations. */
static const char settings[] = "SET statement_timeout = 0;"
                               "SET idle_in_transaction_session_timeout = 0;"
                               "SET lock_timeout = 0;"
                               "SET client_encoding = 'UTF8'";

/* Asks before it makes, because CREATE … IF NOT EXISTS wants the right to create in any case. */
static const char prepare[] =
    "DO $$ BEGIN"
    "  IF to_regnamespace('balances') IS NULL THEN CREATE SCHEMA balances; END IF;"
    "  IF to_regclass('balances.schema_migration') IS NULL THEN"
    "    CREATE TABLE balances.schema_migration ("
    "      version int PRIMARY KEY CHECK (version >= 1),"
    "      name text NOT NULL,"
    "      checksum text NOT NULL,"
    "      applied_at timestamptz NOT NULL DEFAULT transaction_timestamp());"
    "  END IF; "
    "END $$";

/* A service that runs meanwhile queues up behind a lock that is waited for: better give up soon,
 * and be started again. */
static const char begin[] = "BEGIN ISOLATION LEVEL READ COMMITTED;"
                            "SET LOCAL lock_timeout = '5s';"
                            "SET LOCAL search_path = balances, pg_temp";

#define CHECKSUM(text) "encode(sha256(convert_to(" text ", 'UTF8')), 'hex')"

/* The single value of a query, as a number; `seen` stays false where there is no row. */
struct number {
    bool seen;
    long value;
};

static void on_number(void *arg, const char *const *columns, int count)
{
    struct number *n = arg;

    assert(count == 1);
    n->seen = columns[0] != NULL;
    n->value = n->seen ? strtol(columns[0], NULL, 10) : 0;
}

static enum err ask(struct session *s, const char *statement, const char *const *params,
                    int param_count, struct number *ret)
{
    *ret = (struct number){0};
    return session_query(s, statement, params, param_count, on_number, ret);
}

/* Held until the session ends, whatever way it ends. */
static enum err take_turn(struct session *s, FILE *out)
{
    struct number free;
    enum err err = ask(s, "SELECT pg_try_advisory_lock(" TURN ")::int", NULL, 0, &free);

    if (err != ERR_OK || free.value)
        return err;
    fprintf(out, "waiting for another migration of this database to end\n");
    fflush(out);
    return session_query(s, "SELECT pg_advisory_lock(" TURN ")", NULL, 0, NULL, NULL);
}

/* Whether the first `applied` of our migrations are, letter by letter, those of the database. */
static enum err check_texts(struct session *s, long applied)
{
    for (long i = 0; i < applied; i++) {
        char version[16];
        const char *params[] = {version, sql_migrations[i].text};
        struct number same;

        snprintf(version, sizeof version, "%d", sql_migrations[i].version);
        enum err err =
            ask(s,
                "SELECT (checksum = " CHECKSUM(
                    "$2::text") ")::int"
                                "  FROM balances.schema_migration WHERE version = $1::int",
                params, 2, &same);
        if (err != ERR_OK)
            return err;
        if (!same.value) {
            log_error("migrate", "migration %s was edited after it was applied", version);
            return ERR_PRECONDITION;
        }
    }
    return ERR_OK;
}

/* Compares the database's record with ours. Says why in the log where it refuses. */
static enum err check_record(struct session *s, long *ret_applied)
{
    long known = (long)sql_migration_count;
    struct number newest, missing;
    enum err err = ask(s, "SELECT max(version) FROM balances.schema_migration", NULL, 0, &newest);

    if (err != ERR_OK)
        return err;
    if (newest.value > known) {
        log_error("migrate", "database is newer: version %ld, this program knows up to %ld",
                  newest.value, known);
        return ERR_PRECONDITION;
    }
    err = ask(s,
              "SELECT min(v) FROM generate_series(1, (SELECT max(version)"
              "                                         FROM balances.schema_migration)) v"
              " WHERE v NOT IN (SELECT version FROM balances.schema_migration)",
              NULL, 0, &missing);
    if (err != ERR_OK)
        return err;
    if (missing.seen) {
        log_error("migrate", "there is a gap: migration %ld was not applied, but %ld was",
                  missing.value, newest.value);
        return ERR_PRECONDITION;
    }
    err = check_texts(s, newest.value);
    if (err == ERR_OK)
        *ret_applied = newest.value;
    return err;
}

static enum err run(struct session *s, const struct sql_migration *m)
{
    char version[16];
    const char *params[] = {version, m->name, m->text};
    enum err err = session_script(s, begin);

    snprintf(version, sizeof version, "%d", m->version);
    if (err == ERR_OK)
        err = session_script(s, m->text);
    if (err == ERR_OK)
        err = session_query(s,
                            "INSERT INTO balances.schema_migration (version, name, checksum)"
                            " VALUES ($1::int, $2, " CHECKSUM("$3::text") ")",
                            params, 3, NULL, NULL);
    if (err == ERR_OK)
        err = session_script(s, "COMMIT");
    return err;
}

static enum err apply(struct session *s, const struct sql_migration *m, FILE *out)
{
    enum err err = run(s, m);

    if (err != ERR_OK) {
        log_error("migrate", "migration %d (%s) failed and was undone: %s", m->version, m->name,
                  session_why(s));
        return err;
    }
    fprintf(out, "applied %d (%s)\n", m->version, m->name);
    fflush(out);
    return ERR_OK;
}

static enum err migrate_session(struct session *s, FILE *out)
{
    long applied = 0;
    enum err err = session_script(s, settings);

    if (err == ERR_OK)
        err = take_turn(s, out);
    if (err == ERR_OK)
        err = session_script(s, prepare);
    if (err == ERR_OK)
        err = check_record(s, &applied);
    if (err != ERR_OK) {
        if (err != ERR_PRECONDITION) /* which has been explained */
            log_error("migrate", "%s", session_why(s));
        return err;
    }
    for (size_t i = (size_t)applied; i < sql_migration_count; i++) {
        err = apply(s, &sql_migrations[i], out);
        if (err != ERR_OK)
            return err;
    }
    fprintf(out, "up to date at version %zu\n", sql_migration_count);
    return ERR_OK;
}

enum err migrate(const char *database_url, FILE *out)
{
    struct session *s = NULL;
    char why[256];

    for (size_t i = 0; i < sql_migration_count; i++)
        assert(sql_migrations[i].version == (int)i + 1);
    enum err err = session_open(database_url, &s, why, sizeof why);
    if (err != ERR_OK) {
        log_error("migrate", "%s", why);
        return err;
    }
    err = migrate_session(s, out);
    session_close(s);
    return err;
}

#include "sql/session.h"

#include <assert.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sql/sqlstate.h"

struct session {
    PGconn *pg;
    char why[1024];
};

/* libpq's messages have lines, and lines of context; one line is enough for a person to act on. */
static void one_line(const char *message, char *out, size_t size)
{
    size_t len = strcspn(message, "\n");

    snprintf(out, size, "%.*s", (int)(len < size ? len : size), message);
}

static void ignore_notice(void *arg, const PGresult *result)
{
    (void)arg;
    (void)result;
}

enum err session_open(const char *url, struct session **ret, char *why, size_t why_size)
{
    const char *const names[] = {"dbname", "fallback_application_name", "connect_timeout", NULL};
    const char *const values[] = {url, "balanced", "10", NULL};
    struct session *s = calloc(1, sizeof *s);

    assert(s);
    s->pg = PQconnectdbParams(names, values, 1);
    if (PQstatus(s->pg) != CONNECTION_OK) {
        one_line(s->pg ? PQerrorMessage(s->pg) : "out of memory", why, why_size);
        session_close(s);
        return ERR_UNAVAILABLE;
    }
    PQsetNoticeReceiver(s->pg, ignore_notice, NULL);
    *ret = s;
    return ERR_OK;
}

void session_close(struct session *s)
{
    if (!s)
        return;
    PQfinish(s->pg);
    free(s);
}

static enum err check(struct session *s, const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);

    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY)
        return ERR_OK;
    const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    one_line(primary ? primary : PQerrorMessage(s->pg), s->why, sizeof s->why);
    return sqlstate_err(PQresultErrorField(result, PG_DIAG_SQLSTATE));
}

enum err session_script(struct session *s, const char *script)
{
    PGresult *result = PQexec(s->pg, script);
    enum err err = check(s, result);

    PQclear(result);
    return err;
}

enum err session_query(struct session *s, const char *statement, const char *const *params,
                       int param_count, session_row_fn *on_row, void *arg)
{
    PGresult *result = PQexecParams(s->pg, statement, param_count, NULL, params, NULL, NULL, 0);
    enum err err = check(s, result);
    int columns = PQnfields(result);

    if (err == ERR_OK && on_row && columns > 0) {
        const char **row = calloc((size_t)columns, sizeof *row);
        assert(row);
        for (int i = 0; i < PQntuples(result); i++) {
            for (int j = 0; j < columns; j++)
                row[j] = PQgetisnull(result, i, j) ? NULL : PQgetvalue(result, i, j);
            on_row(arg, row, columns);
        }
        free(row);
    }
    PQclear(result);
    return err;
}

const char *session_why(const struct session *s)
{
    return s->why;
}

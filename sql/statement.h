/* The statements of sql/queries/, one per file, prepared on every connection under their file's
 * name. SQL_NET_BALANCE is queries/net_balance.sql; each file's head says its parameters and rows.
 */
#pragma once

#include "sql_statement_names.h"

struct sql_statement_text {
    const char *name;
    const char *text;
};

extern const struct sql_statement_text sql_statement_texts[SQL_STATEMENT_COUNT];

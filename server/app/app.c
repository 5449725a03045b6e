#include "app/app.h"

#include <assert.h>
#include <stdlib.h>

#include "app/read.h"
#include "balances/v1/account_balances.pb-c.h"
#include "balances/v1/balances.pb-c.h"
#include "balances/v1/catalog.pb-c.h"
#include "balances/v1/ledger.pb-c.h"
#include "rpc/health.h"

static const struct rpc_method balance_methods[] = {
    {"/balances.v1.BalanceService/ListBalances", &balances__v1__list_balances_request__descriptor,
     list_balances},
    {"/balances.v1.BalanceService/ListCredits", &balances__v1__list_credits_request__descriptor,
     list_credits},
    {"/balances.v1.BalanceService/ListCommits", &balances__v1__list_commits_request__descriptor,
     list_commits},
    {"/balances.v1.BalanceService/GetNetBalance",
     &balances__v1__get_net_balance_request__descriptor, get_net_balance},
    {"/balances.v1.BalanceService/ListLedgerEntries",
     &balances__v1__list_ledger_entries_request__descriptor, list_ledger_entries},
};

/* The others of the service are not there yet. */
static const struct rpc_method ledger_methods[] = {
    {"/balances.v1.LedgerService/CreateCommit", &balances__v1__create_commit_request__descriptor,
     create_commit},
    {"/balances.v1.LedgerService/CreateCredit", &balances__v1__create_credit_request__descriptor,
     create_credit},
    {"/balances.v1.LedgerService/UpdateEndDate", &balances__v1__update_end_date_request__descriptor,
     update_end_date},
    {"/balances.v1.LedgerService/ArchiveBalance",
     &balances__v1__archive_balance_request__descriptor, archive_balance},
    {"/balances.v1.LedgerService/AddManualLedgerEntry",
     &balances__v1__add_manual_ledger_entry_request__descriptor, add_manual_ledger_entry},
    {"/balances.v1.LedgerService/AdjustSeats", &balances__v1__adjust_seats_request__descriptor,
     adjust_seats},
};

static const struct rpc_method catalog_methods[] = {
    {"/balances.v1.CatalogService/PutCustomer", &balances__v1__put_customer_request__descriptor,
     put_customer},
    {"/balances.v1.CatalogService/PutContract", &balances__v1__put_contract_request__descriptor,
     put_contract},
    {"/balances.v1.CatalogService/ArchiveContract",
     &balances__v1__archive_contract_request__descriptor, archive_contract},
    {"/balances.v1.CatalogService/PutProduct", &balances__v1__put_product_request__descriptor,
     put_product},
    {"/balances.v1.CatalogService/PutCreditType",
     &balances__v1__put_credit_type_request__descriptor, put_credit_type},
};

/* The others of the service are not there yet. */
static const struct rpc_method account_balance_methods[] = {
    {"/balances.v1.AccountBalanceService/CreateTransaction",
     &balances__v1__create_transaction_request__descriptor, create_transaction},
    {"/balances.v1.AccountBalanceService/ListTransactions",
     &balances__v1__list_transactions_request__descriptor, list_transactions},
    {"/balances.v1.AccountBalanceService/GetTransactionSummary",
     &balances__v1__get_transaction_summary_request__descriptor, get_transaction_summary},
};

const struct rpc_service app_services[] = {
    {"balances.v1.BalanceService", balance_methods,
     sizeof balance_methods / sizeof *balance_methods},
    {"balances.v1.LedgerService", ledger_methods, sizeof ledger_methods / sizeof *ledger_methods},
    {"balances.v1.CatalogService", catalog_methods,
     sizeof catalog_methods / sizeof *catalog_methods},
    {"balances.v1.AccountBalanceService", account_balance_methods,
     sizeof account_balance_methods / sizeof *account_balance_methods},
};
const int app_service_count = sizeof app_services / sizeof *app_services;

static void on_ready(void *arg, bool ready)
{
    struct app *app = arg;

    health_set_ready(app->worker, ready);
}

void *app_open(struct worker *w, void *arg)
{
    const struct config *config = arg;
    struct app *app = calloc(1, sizeof *app);

    assert(app);
    app->worker = w;
    const struct pool_options options = {
        .loop = &w->loop,
        .url = config->database_url,
        .name = "balanced",
        .connections = config->database_connections,
        .statement_timeout_us = config->request_timeout_us,
        .on_ready = on_ready,
        .arg = app,
    };
    lines_open(&app->lines, &w->loop);
    app->pool = pool_open(&options);
    if (*config->redis_url) {
        const struct cache_options cache = {
            .loop = &w->loop,
            .url = config->redis_url,
            .ttl_us = config->cache_ttl_us,
            .timeout_us = config->redis_timeout_us,
        };
        app->cache = cache_open(&cache);
    }
    app->reads = reads_open(&w->loop);
    return app;
}

/* Computations may be under way though no call waits for them: the pool ends those first. */
static void on_all_closed(void *arg)
{
    struct app *app = arg;

    worker_closed(app->worker);
    free(app);
}

static void on_cache_closed(void *arg)
{
    struct app *app = arg;

    reads_close(app->reads, on_all_closed, app);
}

static void on_pool_closed(void *arg)
{
    struct app *app = arg;

    if (app->cache)
        cache_close(app->cache, on_cache_closed, app);
    else
        on_cache_closed(app);
}

static void on_lines_closed(void *arg)
{
    struct app *app = arg;

    pool_close(app->pool, on_pool_closed, app);
}

void app_close(struct worker *w)
{
    struct app *app = w->app;

    lines_close(&app->lines, on_lines_closed, app);
}

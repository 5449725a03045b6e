#include "app/app.h"

#include <assert.h>
#include <stdlib.h>

#include "app/batch.h"
#include "app/read.h"
#include "balances/v1/account_balances.pb-c.h"
#include "balances/v1/balances.pb-c.h"
#include "balances/v1/catalog.pb-c.h"
#include "balances/v1/ledger.pb-c.h"
#include "rpc/health.h"

const struct id installation_id = {0};

/* A method's request and its first step have its name, in small letters. */
#define METHOD(service, name, step) \
    {"/balances.v1." service "/" name, &balances__v1__##step##_request__descriptor, step}

static const struct rpc_method balance_methods[] = {
    METHOD("BalanceService", "ListBalances", list_balances),
    METHOD("BalanceService", "ListCredits", list_credits),
    METHOD("BalanceService", "ListCommits", list_commits),
    METHOD("BalanceService", "GetNetBalance", get_net_balance),
    METHOD("BalanceService", "ListLedgerEntries", list_ledger_entries),
};

static const struct rpc_method ledger_methods[] = {
    METHOD("LedgerService", "CreateCommit", create_commit),
    METHOD("LedgerService", "CreateCredit", create_credit),
    METHOD("LedgerService", "UpdateEndDate", update_end_date),
    METHOD("LedgerService", "ArchiveBalance", archive_balance),
    METHOD("LedgerService", "AddManualLedgerEntry", add_manual_ledger_entry),
    METHOD("LedgerService", "AdjustSeats", adjust_seats),
    METHOD("LedgerService", "DrawDown", draw_down),
    METHOD("LedgerService", "FinalizeInvoice", finalize_invoice),
    METHOD("LedgerService", "VoidInvoice", void_invoice),
    METHOD("LedgerService", "RolloverBalance", rollover_balance),
    METHOD("LedgerService", "TrueUpCommit", true_up_commit),
};

static const struct rpc_method account_balance_methods[] = {
    METHOD("AccountBalanceService", "CreateAccountBalance", create_account_balance),
    METHOD("AccountBalanceService", "GetAccountBalance", get_account_balance),
    METHOD("AccountBalanceService", "ListAccountBalances", list_account_balances),
    METHOD("AccountBalanceService", "UpdateAccountBalance", update_account_balance),
    METHOD("AccountBalanceService", "DeleteAccountBalance", delete_account_balance),
    METHOD("AccountBalanceService", "CreateTransaction", create_transaction),
    METHOD("AccountBalanceService", "ListTransactions", list_transactions),
    METHOD("AccountBalanceService", "GetTransactionSummary", get_transaction_summary),
    METHOD("AccountBalanceService", "CreateTransactionType", create_transaction_type),
    METHOD("AccountBalanceService", "GetTransactionType", get_transaction_type),
    METHOD("AccountBalanceService", "ListTransactionTypes", list_transaction_types),
    METHOD("AccountBalanceService", "UpdateTransactionType", update_transaction_type),
    METHOD("AccountBalanceService", "DeleteTransactionType", delete_transaction_type),
    METHOD("AccountBalanceService", "GetCreditApplicationOrder", get_credit_application_order),
    METHOD("AccountBalanceService", "SetCreditApplicationOrder", set_credit_application_order),
};

static const struct rpc_method catalog_methods[] = {
    METHOD("CatalogService", "PutCustomer", put_customer),
    METHOD("CatalogService", "PutContract", put_contract),
    METHOD("CatalogService", "ArchiveContract", archive_contract),
    METHOD("CatalogService", "PutProduct", put_product),
    METHOD("CatalogService", "PutCreditType", put_credit_type),
};

#define SERVICE(name, methods) {"balances.v1." name, methods, sizeof(methods) / sizeof *(methods)}

const struct rpc_service app_services[] = {
    SERVICE("BalanceService", balance_methods),
    SERVICE("LedgerService", ledger_methods),
    SERVICE("AccountBalanceService", account_balance_methods),
    SERVICE("CatalogService", catalog_methods),
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
        .metrics = &w->metrics,
        .on_ready = on_ready,
        .arg = app,
    };
    lines_open(&app->lines, &w->loop, &w->metrics);
    batches_open(app, &w->loop);
    app->pool = pool_open(&options);
    if (*config->redis_url) {
        const struct cache_options cache = {
            .loop = &w->loop,
            .url = config->redis_url,
            .ttl_us = config->cache_ttl_us,
            .timeout_us = config->redis_timeout_us,
            .metrics = &w->metrics,
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

static void on_leaving_closed(void *arg)
{
    struct app *app = arg;

    pool_close(app->pool, on_pool_closed, app);
}

static void on_lines_closed(void *arg)
{
    struct app *app = arg;

    later_close(&app->leaving, on_leaving_closed);
}

void app_close(struct worker *w)
{
    struct app *app = w->app;

    lines_close(&app->lines, on_lines_closed, app);
}

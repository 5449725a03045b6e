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

/* A method's request and its first step have its name, in small letters. Then: what a caller's
 * token must be good for, and the field that names the customer whom it is about. */
#define METHOD(service, name, step, scopes, customer)                                             \
    {"/balances.v1." service "/" name, &balances__v1__##step##_request__descriptor, step, scopes, \
     customer}

enum { READ = SCOPE_READ, WRITE = SCOPE_WRITE, CATALOG = SCOPE_CATALOG };
static const char OF_CUSTOMER[] = "customer_id";

static const struct rpc_method balance_methods[] = {
    METHOD("BalanceService", "ListBalances", list_balances, READ, OF_CUSTOMER),
    METHOD("BalanceService", "ListCredits", list_credits, READ, OF_CUSTOMER),
    METHOD("BalanceService", "ListCommits", list_commits, READ, OF_CUSTOMER),
    METHOD("BalanceService", "GetNetBalance", get_net_balance, READ, OF_CUSTOMER),
    METHOD("BalanceService", "ListLedgerEntries", list_ledger_entries, READ, OF_CUSTOMER),
};

static const struct rpc_method ledger_methods[] = {
    METHOD("LedgerService", "CreateCommit", create_commit, WRITE, OF_CUSTOMER),
    METHOD("LedgerService", "CreateCredit", create_credit, WRITE, OF_CUSTOMER),
    METHOD("LedgerService", "UpdateEndDate", update_end_date, WRITE, OF_CUSTOMER),
    METHOD("LedgerService", "ArchiveBalance", archive_balance, WRITE, OF_CUSTOMER),
    METHOD("LedgerService", "AddManualLedgerEntry", add_manual_ledger_entry, WRITE, OF_CUSTOMER),
    METHOD("LedgerService", "AdjustSeats", adjust_seats, WRITE, OF_CUSTOMER),
    METHOD("LedgerService", "DrawDown", draw_down, WRITE, OF_CUSTOMER),
    METHOD("LedgerService", "FinalizeInvoice", finalize_invoice, WRITE, OF_CUSTOMER),
    METHOD("LedgerService", "VoidInvoice", void_invoice, WRITE, OF_CUSTOMER),
    METHOD("LedgerService", "RolloverBalance", rollover_balance, WRITE, OF_CUSTOMER),
    METHOD("LedgerService", "TrueUpCommit", true_up_commit, WRITE, OF_CUSTOMER),
};

static const struct rpc_method account_balance_methods[] = {
    METHOD("AccountBalanceService", "CreateAccountBalance", create_account_balance, WRITE,
           OF_CUSTOMER),
    METHOD("AccountBalanceService", "GetAccountBalance", get_account_balance, READ, OF_CUSTOMER),
    METHOD("AccountBalanceService", "ListAccountBalances", list_account_balances, READ,
           OF_CUSTOMER),
    METHOD("AccountBalanceService", "UpdateAccountBalance", update_account_balance, WRITE,
           OF_CUSTOMER),
    METHOD("AccountBalanceService", "DeleteAccountBalance", delete_account_balance, WRITE,
           OF_CUSTOMER),
    METHOD("AccountBalanceService", "CreateTransaction", create_transaction, WRITE, OF_CUSTOMER),
    METHOD("AccountBalanceService", "ListTransactions", list_transactions, READ, OF_CUSTOMER),
    METHOD("AccountBalanceService", "GetTransactionSummary", get_transaction_summary, READ,
           OF_CUSTOMER),
    METHOD("AccountBalanceService", "CreateTransactionType", create_transaction_type, CATALOG,
           NULL),
    METHOD("AccountBalanceService", "GetTransactionType", get_transaction_type, READ, NULL),
    METHOD("AccountBalanceService", "ListTransactionTypes", list_transaction_types, READ, NULL),
    METHOD("AccountBalanceService", "UpdateTransactionType", update_transaction_type, CATALOG,
           NULL),
    METHOD("AccountBalanceService", "DeleteTransactionType", delete_transaction_type, CATALOG,
           NULL),
    METHOD("AccountBalanceService", "GetCreditApplicationOrder", get_credit_application_order, READ,
           OF_CUSTOMER),
    METHOD("AccountBalanceService", "SetCreditApplicationOrder", set_credit_application_order,
           WRITE | CATALOG, OF_CUSTOMER),
};

static const struct rpc_method catalog_methods[] = {
    METHOD("CatalogService", "PutCustomer", put_customer, CATALOG, "id"),
    METHOD("CatalogService", "PutContract", put_contract, CATALOG, OF_CUSTOMER),
    METHOD("CatalogService", "ArchiveContract", archive_contract, CATALOG, OF_CUSTOMER),
    METHOD("CatalogService", "PutProduct", put_product, CATALOG, NULL),
    METHOD("CatalogService", "PutCreditType", put_credit_type, CATALOG, NULL),
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

/* The methods of this service, one file each, and what they share: a worker's database and
 * cache. */
#pragma once

#include "app/line.h"
#include "base/config.h"
#include "cache/cache.h"
#include "rpc/server.h"
#include "sql/pool.h"

/* A worker's part of the application; call_app() of its calls. */
struct app {
    struct worker *worker;
    struct pool *pool;
    struct cache *cache; /* NULL: none */
    struct reads *reads;
    struct lines lines;   /* of writes */
    struct later leaving; /* writes that have left their batch */
};

/* What belongs to no customer counts its changes, remembers requests and files answers under this
 * id, which is nobody's: all zeros. */
extern const struct id installation_id;

/* The services that are offered, for rpc_options. */
extern const struct rpc_service app_services[];
extern const int app_service_count;

/* For rpc_options: `arg` is the struct config, which outlives the server. */
void *app_open(struct worker *w, void *arg);
void app_close(struct worker *w);

/* First steps of the methods. */
enum next get_net_balance(struct call *c);
enum next list_balances(struct call *c);
enum next list_credits(struct call *c);
enum next list_commits(struct call *c);
enum next list_ledger_entries(struct call *c);

enum next create_commit(struct call *c);
enum next create_credit(struct call *c);
enum next update_end_date(struct call *c);
enum next archive_balance(struct call *c);
enum next add_manual_ledger_entry(struct call *c);
enum next adjust_seats(struct call *c);
enum next draw_down(struct call *c);
enum next finalize_invoice(struct call *c);
enum next void_invoice(struct call *c);
enum next rollover_balance(struct call *c);
enum next true_up_commit(struct call *c);

enum next create_account_balance(struct call *c);
enum next get_account_balance(struct call *c);
enum next list_account_balances(struct call *c);
enum next update_account_balance(struct call *c);
enum next delete_account_balance(struct call *c);
enum next create_transaction(struct call *c);
enum next list_transactions(struct call *c);
enum next get_transaction_summary(struct call *c);
enum next create_transaction_type(struct call *c);
enum next get_transaction_type(struct call *c);
enum next list_transaction_types(struct call *c);
enum next update_transaction_type(struct call *c);
enum next delete_transaction_type(struct call *c);
enum next get_credit_application_order(struct call *c);
enum next set_credit_application_order(struct call *c);

enum next put_customer(struct call *c);
enum next put_contract(struct call *c);
enum next archive_contract(struct call *c);
enum next put_product(struct call *c);
enum next put_credit_type(struct call *c);

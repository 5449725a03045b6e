/* Asks a balances server what a customer can still spend: once waiting for the answer, and once
 * not.
 *
 *     cc example.c -pthread $(pkg-config --cflags --libs balances) -o example
 *     ./example 127.0.0.1:50051 d0000000-0000-4000-8000-000000000002 [TOKEN]
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <balances/balances.h>
#include <balances/v1/balances.pb-c.h>

enum { TIMEOUT_MS = 2000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t told = PTHREAD_COND_INITIALIZER;
static int waiting, failures;

static int print_balance(const char *what, struct balances_answer *answer)
{
    int status = answer->code == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    if (answer->code == 0)
        printf("%s %s\n", what, ((Balances__V1__GetNetBalanceResponse *)answer->reply)->balance);
    else
        fprintf(stderr, "%s: error %d: %s\n", what, answer->code, answer->message);
    balances_answer_done(answer);
    return status;
}

/* On the library's thread. */
static void on_answer(void *arg, struct balances_answer *answer)
{
    pthread_mutex_lock(&lock);
    failures += print_balance(arg, answer) != EXIT_SUCCESS;
    waiting--;
    pthread_cond_signal(&told);
    pthread_mutex_unlock(&lock);
}

static void start(struct balances *server, const struct balances_call *call, char *what)
{
    pthread_mutex_lock(&lock);
    if (balances_start(server, call, on_answer, what))
        waiting++;
    else
        failures++;
    pthread_mutex_unlock(&lock);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: %s ADDRESS CUSTOMER [TOKEN]\n", argv[0]);
        return 2;
    }

    const char *why;
    const struct balances_options options = {.address = argv[1], .token = argv[3]};
    struct balances *server = balances_open(&options, &why);
    if (!server) {
        fprintf(stderr, "%s\n", why);
        return EXIT_FAILURE;
    }

    Balances__V1__GetNetBalanceRequest request;
    balances__v1__get_net_balance_request__init(&request);
    request.customer_id = argv[2];
    const struct balances_call call = {
        .service = &balances__v1__balance_service__descriptor,
        .method = "GetNetBalance",
        .request = &request.base,
        .timeout_ms = TIMEOUT_MS,
    };

    struct balances_answer answer;
    balances_call(server, &call, &answer);
    failures += print_balance("now", &answer) != EXIT_SUCCESS;

    request.invoice_inclusion_mode =
        BALANCES__V1__INVOICE_INCLUSION_MODE__INVOICE_INCLUSION_MODE_FINALIZED;
    start(server, &call, "finalized");
    request.invoice_inclusion_mode =
        BALANCES__V1__INVOICE_INCLUSION_MODE__INVOICE_INCLUSION_MODE_FINALIZED_AND_DRAFT;
    start(server, &call, "all");
    pthread_mutex_lock(&lock);
    while (waiting > 0)
        pthread_cond_wait(&told, &lock);
    pthread_mutex_unlock(&lock);

    balances_close(server);
    return failures > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

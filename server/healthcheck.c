#include "server/healthcheck.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "client/balances.h"
#include "grpc/health/v1/health.pb-c.h"

/* 0.0.0.0 and [::] can be listened on, but not called. */
static void address_of(const char *listen, char *out, size_t size)
{
    static const struct {
        const char *any, *one;
    } hosts[] = {{"0.0.0.0:", "127.0.0.1:"}, {"[::]:", "[::1]:"}};

    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        size_t len = strlen(hosts[i].any);
        if (strncmp(listen, hosts[i].any, len) == 0) {
            snprintf(out, size, "%s%s", hosts[i].one, listen + len);
            return;
        }
    }
    snprintf(out, size, "%s", listen);
}

bool healthcheck(const char *listen, int64_t timeout_us)
{
    char address[512];
    const char *why;
    struct balances_answer answer;
    Grpc__Health__V1__HealthCheckRequest request;

    address_of(listen, address, sizeof address);
    /* Whoever asks asks again. */
    const struct balances_options options = {
        .address = address, .user_agent = "balanced", .attempts = 1};
    struct balances *server = balances_open(&options, &why);
    if (!server) {
        fprintf(stderr, "balanced: %s\n", why);
        return false;
    }
    grpc__health__v1__health_check_request__init(&request);
    const struct balances_call call = {
        .service = &grpc__health__v1__health__descriptor,
        .method = "Check",
        .request = &request.base,
        .timeout_ms = timeout_us / 1000,
    };
    balances_call(server, &call, &answer);
    const Grpc__Health__V1__HealthCheckResponse *reply =
        (const Grpc__Health__V1__HealthCheckResponse *)answer.reply;
    bool serving =
        reply && reply->status == GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
    if (answer.code != 0)
        fprintf(stderr, "balanced: %s: %s: %s\n", address, err_grpc_name(answer.code),
                answer.message);
    else if (!serving)
        fprintf(stderr, "balanced: %s is up, but not ready to serve\n", address);
    balances_answer_done(&answer);
    balances_close(server);
    return serving;
}

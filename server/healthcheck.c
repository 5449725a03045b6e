#include "server/healthcheck.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/limits.h"
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

static bool read_pem(const char *path, char **ret)
{
    struct file file = {.path = path};
    char why[512];
    size_t len;

    if (file_read(&file, PEM_FILE_BYTES_MAX, ret, &len, why, sizeof why) == ERR_OK)
        return true;
    fprintf(stderr, "balanced: %s\n", why);
    return false;
}

static bool ask(const struct config *config, const struct balances_tls *tls)
{
    char address[512];
    const char *why;
    struct balances_answer answer;
    Grpc__Health__V1__HealthCheckRequest request;

    address_of(config->listen, address, sizeof address);
    /* Whoever asks asks again. */
    const struct balances_options options = {
        .address = address, .user_agent = "balanced", .attempts = 1, .tls = tls};
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
        .timeout_ms = config->request_timeout_us / 1000,
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

bool healthcheck(const struct config *config)
{
    char *certificate = NULL, *key = NULL;
    bool serving = false;

    if (!*config->tls_cert)
        return ask(config, NULL);
    if (read_pem(config->tls_cert, &certificate) && read_pem(config->tls_key, &key))
        serving = ask(config, &(struct balances_tls){.certificate = certificate, .key = key});
    free(certificate);
    free(key);
    return serving;
}

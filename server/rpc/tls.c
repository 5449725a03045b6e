#include "rpc/tls.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/pem.h"

enum { CERTIFICATE, KEY, CLIENT_CA, FILE_COUNT };

struct tls {
    struct file files[FILE_COUNT];
    _Atomic(grpc_ssl_server_certificate_config *) fresh; /* that no handshake has taken yet */
};

static enum err check(const struct file *files, char *const *texts, char *why, size_t why_size)
{
    char problem[128];
    enum err err = ERR_OK;
    int which;

    for (which = CERTIFICATE; which < FILE_COUNT && err == ERR_OK; which++) {
        if (which == KEY)
            err = pem_check_key(texts[CERTIFICATE], texts[KEY], problem, sizeof problem);
        else if (texts[which])
            err = pem_check_certificates(texts[which], problem, sizeof problem);
    }
    if (err != ERR_OK)
        snprintf(why, why_size, "%s: %s", files[which - 1].path, problem);
    return err;
}

/* Reads all files, and has the next handshake take what is in them. */
static enum err read_all(struct tls *t, char *why, size_t why_size)
{
    char *texts[FILE_COUNT] = {NULL};
    enum err err = ERR_OK;
    size_t len;

    /* All of them, also after a failure, so that each is known as it is now. */
    for (int i = 0; i < FILE_COUNT; i++) {
        if (!*t->files[i].path)
            continue;
        char *text;
        if (file_read(&t->files[i], PEM_FILE_BYTES_MAX, &text, &len, why, why_size) == ERR_OK)
            texts[i] = text;
        else
            err = ERR_INVALID;
    }
    if (err == ERR_OK)
        err = check(t->files, texts, why, why_size);
    if (err == ERR_OK) {
        const grpc_ssl_pem_key_cert_pair pair = {texts[KEY], texts[CERTIFICATE]};
        /* gRPC insists on CAs of clients, also where it asks no client for a certificate. */
        const char *roots = texts[CLIENT_CA] ? texts[CLIENT_CA] : texts[CERTIFICATE];
        grpc_ssl_server_certificate_config *stale =
            atomic_exchange(&t->fresh, grpc_ssl_server_certificate_config_create(roots, &pair, 1));
        if (stale)
            grpc_ssl_server_certificate_config_destroy(stale);
        if (t->files[KEY].world_readable)
            log_warn("rpc", "%s can be read by every user of this machine: chmod o-r",
                     t->files[KEY].path);
    }
    for (int i = 0; i < FILE_COUNT; i++)
        free(texts[i]);
    return err;
}

enum err tls_open(const struct tls_paths *paths, struct tls **ret, char *why, size_t why_size)
{
    if (!*paths->certificate != !*paths->key || (*paths->client_ca && !*paths->key)) {
        snprintf(why, why_size,
                 "BALANCED_TLS_CERT and BALANCED_TLS_KEY go together, and BALANCED_TLS_CLIENT_CA "
                 "needs both");
        return ERR_INVALID;
    }
    if (!*paths->key) {
        *ret = NULL;
        return ERR_OK;
    }
    struct tls *t = calloc(1, sizeof *t);
    assert(t);
    t->files[CERTIFICATE].path = paths->certificate;
    t->files[KEY].path = paths->key;
    t->files[CLIENT_CA].path = paths->client_ca;
    enum err err = read_all(t, why, why_size);
    if (err == ERR_OK)
        *ret = t;
    else
        tls_close(t);
    return err;
}

void tls_close(struct tls *t)
{
    if (t && t->fresh)
        grpc_ssl_server_certificate_config_destroy(t->fresh);
    free(t);
}

/* On threads of gRPC's, at the start and before each handshake. */
static grpc_ssl_certificate_config_reload_status fetch(void *arg,
                                                       grpc_ssl_server_certificate_config **ret)
{
    struct tls *t = arg;
    grpc_ssl_server_certificate_config *fresh = atomic_exchange(&t->fresh, NULL);

    if (!fresh)
        return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    *ret = fresh;
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
}

grpc_server_credentials *tls_credentials(struct tls *t)
{
    if (!t)
        return grpc_insecure_server_credentials_create();
    return grpc_ssl_server_credentials_create_with_options(
        grpc_ssl_server_credentials_create_options_using_config_fetcher(
            *t->files[CLIENT_CA].path ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                                      : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE,
            fetch, t));
}

void tls_look(struct tls *t)
{
    bool changed = false;
    char why[512];

    if (!t)
        return;
    for (int i = 0; i < FILE_COUNT; i++) {
        if (*t->files[i].path)
            changed |= file_has_changed(&t->files[i]);
    }
    if (!changed)
        return;
    if (read_all(t, why, sizeof why) == ERR_OK)
        log_info("rpc", "new connections get the certificate that is in %s now",
                 t->files[CERTIFICATE].path);
    else
        log_error("rpc", "%s: the certificate and key from before stay in force", why);
}

#include "base/pem.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdio.h>

/* What OpenSSL asks of a key at its default level of security. */
enum { SECURITY_BITS_MIN = 112 };

static BIO *open_text(const char *text)
{
    BIO *in = BIO_new_mem_buf(text, -1);

    assert(in);
    return in;
}

/* Instead of asking on the terminal. */
static int no_password(char *out, int size, int writing, void *arg)
{
    (void)out, (void)size, (void)writing, (void)arg;
    return -1;
}

enum err pem_check_certificates(const char *text, char *why, size_t why_size)
{
    BIO *in = open_text(text);
    X509 *certificate;
    int count = 0;

    ERR_clear_error();
    while ((certificate = PEM_read_bio_X509(in, NULL, no_password, NULL))) {
        X509_free(certificate);
        count++;
    }
    bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    BIO_free(in);
    if (count > 0 && at_end)
        return ERR_OK;
    snprintf(why, why_size, "certificate %d in it is not one in PEM", count + 1);
    return ERR_INVALID;
}

static const char *problem_of(X509 *certificate, EVP_PKEY *key)
{
    if (!key)
        return "it is not a private key in PEM, without a password";
    if (!certificate || X509_check_private_key(certificate, key) != 1)
        return "it is not the key of the certificate";
    if (EVP_PKEY_get_security_bits(key) < SECURITY_BITS_MIN)
        return "the key is too short";
    return NULL;
}

enum err pem_check_key(const char *certificates, const char *key, char *why, size_t why_size)
{
    BIO *certificate_in = open_text(certificates), *key_in = open_text(key);
    X509 *first = PEM_read_bio_X509(certificate_in, NULL, no_password, NULL);
    EVP_PKEY *private_key = PEM_read_bio_PrivateKey(key_in, NULL, no_password, NULL);
    const char *problem = problem_of(first, private_key);

    EVP_PKEY_free(private_key);
    X509_free(first);
    BIO_free(key_in);
    BIO_free(certificate_in);
    ERR_clear_error();
    if (!problem)
        return ERR_OK;
    snprintf(why, why_size, "%s", problem);
    return ERR_INVALID;
}

// OpenSSL 3.0 or later, and wrappers for its function-like macros, which Swift cannot import.
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

static inline int openssl_set_minimum_version(SSL_CTX *context, int version) {
    return SSL_CTX_set_min_proto_version(context, version);
}
static inline void openssl_set_mode(SSL_CTX *context, long mode) {
    SSL_CTX_set_mode(context, mode);
}
static inline int openssl_set_groups(SSL_CTX *context, const char *list) {
    return SSL_CTX_set1_groups_list(context, list);
}
static inline void openssl_set_session_cache_mode(SSL_CTX *context, long mode) {
    SSL_CTX_set_session_cache_mode(context, mode);
}
static inline void openssl_set_name_callback(
    SSL_CTX *context, int (*callback)(SSL *, int *, void *), void *argument) {
    SSL_CTX_set_tlsext_servername_callback(context, callback);
    SSL_CTX_set_tlsext_servername_arg(context, argument);
}
static inline void openssl_set_ticket_callback(
    SSL_CTX *context,
    int (*callback)(SSL *, unsigned char *, unsigned char *, EVP_CIPHER_CTX *, EVP_MAC_CTX *,
                    int)) {
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, callback);
}
static inline void openssl_set_status_callback(
    SSL_CTX *context, int (*callback)(SSL *, void *), void *argument) {
    SSL_CTX_set_tlsext_status_cb(context, callback);
    SSL_CTX_set_tlsext_status_arg(context, argument);
}
static inline long openssl_set_status_response(SSL *ssl, void *bytes, long count) {
    return SSL_set_tlsext_status_ocsp_resp(ssl, bytes, count);
}
static inline int openssl_set_host_name(SSL *ssl, const char *name) {
    return SSL_set_tlsext_host_name(ssl, name);
}
static inline void *openssl_copy(const void *bytes, size_t count) {
    return OPENSSL_memdup(bytes, count);
}
static inline void openssl_set_retry_read(BIO *bio) {
    BIO_clear_retry_flags(bio);
    BIO_set_retry_read(bio);
}
static inline int openssl_name_count(const GENERAL_NAMES *names) {
    return sk_GENERAL_NAME_num(names);
}
// The bytes of the DNS name at `index`; NULL for a name of another kind.
static inline const unsigned char *openssl_dns_name(
    const GENERAL_NAMES *names, int index, int *count) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, index);
    if (name->type != GEN_DNS) return NULL;
    *count = ASN1_STRING_length(name->d.dNSName);
    return ASN1_STRING_get0_data(name->d.dNSName);
}
static inline void openssl_set_server_options(SSL_CTX *context, int uses_tickets) {
    SSL_CTX_set_options(
        context, SSL_OP_NO_RENEGOTIATION | SSL_OP_PRIORITIZE_CHACHA |
                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_COMPRESSION |
                     (uses_tickets ? 0 : SSL_OP_NO_TICKET));
}
static inline void openssl_set_client_options(SSL_CTX *context) {
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
}
static inline void openssl_clear_flags(BIO *bio) { BIO_clear_retry_flags(bio); }
// RFC 2253 with every byte beyond ASCII escaped.
static inline int openssl_print_name(BIO *bio, const X509_NAME *name) {
    return X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_UTF8_CONVERT);
}
static inline int openssl_refuse_passphrase(char *buffer, int size, int writes, void *argument) {
    return -1;
}
static inline EVP_PKEY *openssl_read_key(BIO *bio) {
    // Nobody is there to be asked for a passphrase.
    return PEM_read_bio_PrivateKey(bio, NULL, openssl_refuse_passphrase, NULL);
}
static inline int openssl_add_issuer(SSL_CTX *context, X509 *issuer) {
    // Counted up by this call, and freed with the context.
    return (int)SSL_CTX_add1_chain_cert(context, issuer);
}
// EVP_PKEY_Q_keygen is variadic.
static inline EVP_PKEY *openssl_make_key(void) {
    return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
}
static inline int openssl_utf8(void) { return MBSTRING_UTF8; }
// HMAC with SHA-256. The names are kept by pointer until the call: as Swift strings they would be
// gone by then.
static inline int openssl_set_digest_key(EVP_MAC_CTX *mac, const unsigned char *key, size_t count) {
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_init(mac, key, count, parameters);
}
static inline void openssl_free(void *bytes) { OPENSSL_free(bytes); }

/* TLS for http.c; see tls.h.
 *
 * Buffers are released while a connection is idle, so that idle ones stay small.  A client
 * that closes without TLS's own goodbye is taken as closed: what HTTP promises is framed by
 * lengths and chunks, so an answer or request that is cut off shows as that. */
#include "server/tls.h"

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

struct mn_tls { SSL_CTX *ctx; };

static minerva_status fail(minerva_error *err, const char *what, const char *file)
{
    char why[200] = "";
    unsigned long code = ERR_peek_last_error();
    if (code) ERR_error_string_n(code, why, sizeof why);
    ERR_clear_error();
    err->code = MINERVA_INVALID;
    err->offset = -1;
    snprintf(err->message, sizeof err->message, "%.200s: %s (%s)", file, what, why);
    return err->code;
}

minerva_status mn_tls_create(mn_tls **out, const char *cert, const char *key, minerva_error *err)
{
    if (!cert || !key) {
        err->code = MINERVA_INVALID;
        snprintf(err->message, sizeof err->message, "TLS needs a certificate and its key "
                 "(--tls-cert, --tls-key), only one was given");
        return err->code;
    }
    mn_tls *t = calloc(1, sizeof *t);
    t = t && (t->ctx = SSL_CTX_new(TLS_server_method())) ? t : (free(t), NULL);
    if (!t) {
        err->code = MINERVA_MEMORY;
        snprintf(err->message, sizeof err->message, "TLS could not be set up");
        return err->code;
    }
    SSL_CTX_set_min_proto_version(t->ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(t->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(t->ctx, SSL_MODE_RELEASE_BUFFERS);
    minerva_status st = MINERVA_OK;
    if (SSL_CTX_use_certificate_chain_file(t->ctx, cert) != 1)
        st = fail(err, "a certificate chain in PEM form expected", cert);
    else if (SSL_CTX_use_PrivateKey_file(t->ctx, key, SSL_FILETYPE_PEM) != 1)
        st = fail(err, "a private key in PEM form that fits the certificate expected", key);
    if (st == MINERVA_OK) *out = t;
    else mn_tls_free(t);
    return st;
}

void mn_tls_free(mn_tls *t)
{
    if (!t) return;
    SSL_CTX_free(t->ctx);
    free(t);
}

struct bufferevent *mn_tls_accept(mn_tls *t, struct event_base *base, int fd)
{
    SSL *ssl = SSL_new(t->ctx);
    struct bufferevent *bev = ssl ? bufferevent_openssl_socket_new(base, fd, ssl,
        BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS) : NULL;
    if (bev) bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
    else SSL_free(ssl);
    return bev;
}

void mn_tls_say_end(struct bufferevent *bev)
{
    SSL *ssl = bufferevent_openssl_get_ssl(bev);
    if (!ssl || !SSL_is_init_finished(ssl)) return;
    SSL_set_shutdown(ssl, SSL_RECEIVED_SHUTDOWN);
    SSL_shutdown(ssl);
    ERR_clear_error();
}

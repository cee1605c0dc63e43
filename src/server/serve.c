/* Starting, draining and stopping the server. */
#include "server/chat_store.h"
#include "base/clock.h"
#include "base/status.h"
#include "server/server.h"

#include <openssl/sha.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DRAIN_S = 30, CUT_S = 2, TICK_MS = 100 };

static void on_finished(void *ctx, const mn_http_request *r)
{
    mn_server *s = ctx;
    char id[40];
    if (r->status >= 500) s->n_errors++;
    mn_http_request_name(r, id);
    mn_server_log(s, MINERVA_LOG_INFO, "request", "request", MN_LOG_TEXT, id, "peer", MN_LOG_TEXT,
                  r->peer, "tenant", MN_LOG_TEXT, r->tenant && *r->tenant ? r->tenant : NULL,
                  "method", MN_LOG_TEXT, r->method ? r->method : "-", "path", MN_LOG_TEXT,
                  r->path ? r->path : "-", "model", MN_LOG_TEXT, r->model, "status", MN_LOG_INT,
                  (long long)r->status, "bytes", MN_LOG_INT, (long long)r->sent_bytes, "seconds",
                  MN_LOG_REAL, mn_clock_s() - r->arrived_s, NULL);
}

/* ---- keys -------------------------------------------------------------------------- */

static bool read_digest(const char *hex, unsigned char out[32])
{
    if (strlen(hex) != 64 || hex[strspn(hex, "0123456789abcdefABCDEF")]) return false;
    for (int i = 0; i < 32; i++) {
        char byte[3] = { hex[2 * i], hex[2 * i + 1], 0 };
        out[i] = (unsigned char)strtoul(byte, NULL, 16);
    }
    return true;
}

/* Only digests are kept. */
static minerva_status add_keys(mn_server *s, minerva_error *err)
{
    const mn_server_options *o = s->o;
    s->keys = calloc(o->n_keys + 1, sizeof *s->keys);
    if (!s->keys) return mn_fail(err, MINERVA_MEMORY, "out of memory");
    for (size_t i = 0; i < o->n_keys; i++) {
        const char *colon = strchr(o->keys[i], ':');
        if (!strncmp(o->keys[i], "sha256:", 7)) colon = NULL;
        const char *secret = colon ? colon + 1 : o->keys[i];
        mn_key *k = &s->keys[s->n_keys++];
        if (colon) snprintf(k->name, sizeof k->name, "%.*s", (int)(colon - o->keys[i]), o->keys[i]);
        else snprintf(k->name, sizeof k->name, "key%zu", i + 1);
        if (strncmp(secret, "sha256:", 7)) {
            if (strlen(secret) < 8)
                return mn_fail(err, MINERVA_INVALID, "key %zu: at least 8 characters expected", i + 1);
            SHA256((const unsigned char *)secret, strlen(secret), k->digest);
        } else if (!read_digest(secret + 7, k->digest)) {
            return mn_fail(err, MINERVA_INVALID, "key %zu: 64 hexadecimal digits expected behind "
                        "sha256:", i + 1);
        }
    }
    return MINERVA_OK;
}

static void server_clear(mn_server *s)
{
    /* Who works ends first, so that the last events are posted while the loop still exists;
     * mn_http_free() runs what was posted. */
    mn_workers_free(s->workers);
    s->workers = NULL;
    mn_embedder_free(s->embedder);
    mn_models_stop(s);
    mn_http_free(s->http);
    mn_models_free(s);
    mn_response_store_free(s->responses);
    mn_chat_store_close(s->chats);
    free(s->keys);
}

/* ---- signals ----------------------------------------------------------------------- */

static void on_signal(void *arg)
{
    mn_server *s = arg;
    if (s->draining) {
        mn_http_stop(s->http);
        return;
    }
    s->draining = true;
    s->drain_until_s = mn_clock_s() + (s->o->drain_s ? s->o->drain_s : DRAIN_S);
    mn_server_log(s, MINERVA_LOG_INFO, "draining", "answers", MN_LOG_INT, (long long)s->n_active,
                  NULL);
    mn_http_stop_accepting(s->http);
}

static void on_hangup(void *arg)
{
    mn_server *s = arg;
    minerva_error err = { 0 };
    if (!s->o->tls_cert) return;
    if (mn_http_reload_tls(s->http, &err) == MINERVA_OK)
        mn_server_log(s, MINERVA_LOG_INFO, "certificate_read", "file", MN_LOG_TEXT,
                      s->o->tls_cert, NULL);
    else
        mn_server_log(s, MINERVA_LOG_ERROR, "certificate_kept", "why", MN_LOG_TEXT, err.message,
                      NULL);
}

static void on_tick(void *arg)
{
    mn_server *s = arg;
    double now = mn_clock_s();
    mn_jobs_keep_alive(s, now);
    mn_admin_tick(s);
    mn_models_tick(s, now);
    if (!s->draining) return;
    if (now > s->drain_until_s) {
        mn_jobs_cut(s);
        mn_models_cut(s);
    }
    if ((s->n_active == 0 && mn_http_is_quiet(s->http)) || now > s->drain_until_s + CUT_S)
        mn_http_stop(s->http);
}

/* The server does without conversations rather than not start. */
static void open_chats(mn_server *s)
{
    minerva_error err = { 0 };
    snprintf(s->chats_why, sizeof s->chats_why, "it was started without a database");
    if (!s->o->chats_path || mn_chat_store_open(&s->chats, s->o->chats_path, &err) == MINERVA_OK)
        return;
    snprintf(s->chats_why, sizeof s->chats_why, "%s", err.message);
    mn_server_log(s, MINERVA_LOG_WARNING, "no_chats", "why", MN_LOG_TEXT, err.message, NULL);
}

minerva_status mn_serve(const mn_server_options *options, minerva_error *err)
{
    mn_server s = { .o = options, .started_s = mn_clock_s() };
    minerva_error ignored = { 0 };
    if (!err) err = &ignored;
    mn_http_options http = {
        .host = options->host, .port = options->port < 0 ? 0 : options->port ? options->port : 11434,
        .loopback_only = options->n_keys ? NULL : "a key expected, since others can reach it "
                                                  "there (--key)",
        .tls_cert = options->tls_cert, .tls_key = options->tls_key,
        .max_connections = options->max_connections, .max_body_bytes = options->max_body_bytes,
        .header_timeout_s = options->header_timeout_s, .idle_timeout_s = options->idle_timeout_s,
        .handle = mn_route, .finished = on_finished, .ctx = &s,
    };
    open_chats(&s);
    minerva_status st = add_keys(&s, err);
    if (st == MINERVA_OK) st = mn_http_create(&s.http, &http, err);
    if (st == MINERVA_OK) st = mn_models_create(&s, err);
    if (st == MINERVA_OK) st = mn_workers_create(&s.workers, &s, err);
    if (st == MINERVA_OK) st = mn_embedder_create(&s.embedder, &s, err);
    if (st == MINERVA_OK && !(s.responses = mn_response_store_create()))
        st = mn_fail(err, MINERVA_MEMORY, "out of memory");
    if (st == MINERVA_OK) st = mn_http_on_signal(s.http, SIGTERM, on_signal, &s, err);
    if (st == MINERVA_OK) st = mn_http_on_signal(s.http, SIGINT, on_signal, &s, err);
    if (st == MINERVA_OK) st = mn_http_on_signal(s.http, SIGHUP, on_hangup, &s, err);
    if (st == MINERVA_OK) st = mn_http_every(s.http, TICK_MS, on_tick, &s, err);
    if (st == MINERVA_OK) {
        if (options->on_ready) options->on_ready(options->ctx, mn_http_port(s.http));
        mn_http_run(s.http);
    }
    server_clear(&s);
    return st;
}

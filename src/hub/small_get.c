/* Whole small answers (lists, cards), with patience: what may pass is tried again, what may
 * not is told in words that help; see transport.h. */
#include "base/buffer.h"
#include "base/status.h"
#include "hub/transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WAIT_MS = 30000, MAX_RETRY_AFTER_S = 600 };

bool mn_status_passes(int status)
{
    return status == 408 || status == 425 || status == 429 || status >= 500;
}

int64_t mn_backoff_ms(const mn_patience *p, int attempt, int64_t retry_after_s)
{
    if (retry_after_s > MAX_RETRY_AFTER_S) return -1;
    int64_t base = p && p->backoff_ms ? p->backoff_ms : 500, wait = base;
    for (int i = 1; i < attempt && wait < MAX_WAIT_MS; i++) wait *= 2;
    if (wait > MAX_WAIT_MS) wait = MAX_WAIT_MS;
    wait += (mn_now_ms() * 7919) % (wait / 4 + 1);      /* not all at the same moment */
    return retry_after_s * 1000 > wait ? retry_after_s * 1000 : wait;
}

minerva_status mn_transport_refusal(const mn_answer *a, const char *what, bool has_token,
                                    minerva_error *err)
{
    const char *said = a->error_message;
    bool gated = !strcmp(a->error_code, "GatedRepo");
    if (a->status == 401 && has_token && !gated)
        return mn_fail(err, MINERVA_UNSUPPORTED, "%s: the hub does not accept the token "
                       "(HF_TOKEN), or there is no such model (401)", what);
    if (a->status == 401 && !gated)
        return mn_fail(err, MINERVA_UNSUPPORTED, "%s: no such model, or it is private or "
                       "gated (401): look at the name; for a private or gated model set "
                       "HF_TOKEN to a token of an account that may read it", what);
    if (a->status == 403 || gated)
        return mn_fail(err, MINERVA_UNSUPPORTED, "%s: the model is gated (%d): accept its "
                       "terms on its page at the hub, then set HF_TOKEN to a token of that "
                       "account%s%s", what, a->status, *said ? "; the hub says: " : "", said);
    if (a->status == 404 || a->status == 410)
        return mn_fail(err, MINERVA_NOT_FOUND, "%s: not on the hub (%d)%s%s", what, a->status,
                       *said ? ": " : "", said);
    return mn_fail(err, MINERVA_IO, "%s: the hub answers with status %d%s%s", what, a->status,
                   *said ? ": " : "", said);
}

typedef struct {
    mn_buffer body;
} collector;

static bool collect(void *ctx, const void *bytes, size_t n)
{
    collector *c = ctx;
    mn_buffer_append(&c->body, bytes, n);
    return !c->body.failed;
}

static bool asked_to_stop(const mn_patience *p)
{
    return p && p->go_on && !p->go_on(p->ctx);
}

static bool wait_ms(const mn_patience *p, int64_t ms)
{
    for (int64_t until = mn_now_ms() + ms, now; (now = mn_now_ms()) < until;) {
        int64_t left = until - now < 50 ? until - now : 50;
        mn_transport_pause((int)left);
        if (asked_to_stop(p)) return false;
    }
    return true;
}

/* One attempt.  OK: an answer came, whatever its status. */
static minerva_status attempt(mn_transport *t, const char *url, const mn_patience *p,
                              collector *c, mn_answer *answer, char why[400], bool *passes,
                              minerva_error *err)
{
    mn_fetch *f = NULL;
    mn_fetch_options o = { .url = url, .compressed = true, .on_bytes = collect, .ctx = c };
    minerva_status st = mn_fetch_start(t, &o, &f, err);
    *passes = false;
    if (st != MINERVA_OK) return st;
    while (mn_fetch_how(f) == MN_FETCH_RUNNING) {
        mn_transport_step(t, 100);
        if (asked_to_stop(p)) {
            st = mn_fail(err, MINERVA_CANCELLED, "stopped");
            break;
        }
    }
    *answer = *mn_fetch_answer(f);
    snprintf(why, 400, "%s", mn_fetch_why(f));
    switch (mn_fetch_how(f)) {
    case MN_FETCH_DONE:
    case MN_FETCH_RUNNING:
        *passes = mn_status_passes(answer->status);
        if (*passes) snprintf(why, 400, "status %d", answer->status);
        break;
    case MN_FETCH_BROKEN:
        *passes = true;
        break;
    case MN_FETCH_STOPPED:
        st = mn_fail(err, MINERVA_LIMIT, "%.200s: the answer is longer than %zu bytes", url,
                     c->body.limit_bytes);
        break;
    case MN_FETCH_REFUSED:
        st = mn_fail(err, MINERVA_IO, "%.200s: %s", url, why);
        break;
    }
    mn_fetch_free(f);
    return st;
}

minerva_status mn_transport_get(mn_transport *t, const char *url, size_t limit,
                                const mn_patience *p, char **body, size_t *len,
                                mn_answer *answer, minerva_error *err)
{
    collector c = { .body = { .limit_bytes = limit } };
    int retries = p && p->retries ? p->retries : 5;
    char why[400] = "";
    *body = NULL;
    for (int n = 1;; n++) {
        bool passes;
        mn_buffer_reset(&c.body);
        minerva_status st = attempt(t, url, p, &c, answer, why, &passes, err);
        if (st == MINERVA_OK && !passes) break;
        int64_t pause = st == MINERVA_OK ? mn_backoff_ms(p, n, answer->retry_after_s) : 0;
        if (st == MINERVA_OK && (n > retries || pause < 0))
            st = mn_fail(err, answer->status == 429 ? MINERVA_LIMIT : MINERVA_IO,
                         "%.200s: %s, after %d attempt%s%s", url, why, n, n == 1 ? "" : "s",
                         pause < 0 ? "; the hub asks for a pause of more than ten minutes"
                                   : "");
        if (st == MINERVA_OK && !wait_ms(p, pause))
            st = mn_fail(err, MINERVA_CANCELLED, "stopped");
        if (st != MINERVA_OK) {
            mn_buffer_clear(&c.body);
            return st;
        }
    }
    mn_buffer_append(&c.body, "", 0);
    if (!c.body.data) mn_buffer_reserve(&c.body, 1);
    if (c.body.data) c.body.data[c.body.len] = 0;
    *body = mn_buffer_take(&c.body, len);
    return *body ? MINERVA_OK : mn_fail_memory(err, limit);
}

/* Stored answers of /v1/responses.
 *
 * (1) Kept as text, in memory: they end with the server.
 * (2) An entry is its tenant's alone.
 * (3) Bounded in bytes; the oldest go first.
 */
#include "server/responses.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { N_PARTS = 3, N_BUCKETS = 4096 };
static const size_t most_bytes = (size_t)256 << 20;

typedef struct entry {
    struct entry *in_bucket;            /* next of the same hash */
    struct entry *newer, *older;
    char *tenant, *id, *parts[N_PARTS];
    size_t bytes;
} entry;

struct mn_response_store {
    pthread_mutex_t mutex;
    entry *buckets[N_BUCKETS], *newest, *oldest;
    size_t bytes;
};

mn_response_store *mn_response_store_create(void)
{
    mn_response_store *s = calloc(1, sizeof *s);
    if (s) pthread_mutex_init(&s->mutex, NULL);
    return s;
}

static size_t bucket_of(const char *id)
{
    size_t h = 5381;
    for (; *id; id++) h = h * 33 + (unsigned char)*id;
    return h % N_BUCKETS;
}

static void entry_free(entry *e)
{
    for (int i = 0; i < N_PARTS; i++) free(e->parts[i]);
    free(e->tenant);
    free(e->id);
    free(e);
}

static entry *find(mn_response_store *s, const char *tenant, const char *id)
{
    entry *e = s->buckets[bucket_of(id)];
    while (e && (strcmp(e->id, id) || strcmp(e->tenant, tenant))) e = e->in_bucket;
    return e;
}

static void remove_entry(mn_response_store *s, entry *e)
{
    entry **at = &s->buckets[bucket_of(e->id)];
    while (*at != e) at = &(*at)->in_bucket;
    *at = e->in_bucket;
    *(e->newer ? &e->newer->older : &s->newest) = e->older;
    *(e->older ? &e->older->newer : &s->oldest) = e->newer;
    s->bytes -= e->bytes;
    entry_free(e);
}

void mn_response_store_free(mn_response_store *s)
{
    if (!s) return;
    while (s->newest) remove_entry(s, s->newest);
    pthread_mutex_destroy(&s->mutex);
    free(s);
}

void mn_response_put(mn_response_store *s, const char *tenant, const char *id,
                     const json_t *response, const json_t *input, const json_t *messages)
{
    const json_t *parts[N_PARTS] = { response, input, messages };
    entry *e = s ? calloc(1, sizeof *e) : NULL;
    if (!e) return;
    e->tenant = strdup(tenant);
    e->id = strdup(id);
    bool ok = e->tenant && e->id;
    for (int i = 0; i < N_PARTS && ok; i++) {
        ok = (e->parts[i] = json_dumps(parts[i], JSON_COMPACT | JSON_PRESERVE_ORDER)) != NULL;
        if (ok) e->bytes += strlen(e->parts[i]);
    }
    e->bytes += sizeof *e + 256;
    if (!ok || e->bytes > most_bytes / 4) {
        entry_free(e);
        return;
    }
    pthread_mutex_lock(&s->mutex);
    while (s->oldest && s->bytes + e->bytes > most_bytes) remove_entry(s, s->oldest);
    size_t b = bucket_of(id);
    e->in_bucket = s->buckets[b];
    s->buckets[b] = e;
    e->older = s->newest;
    if (s->newest) s->newest->newer = e;
    else s->oldest = e;
    s->newest = e;
    s->bytes += e->bytes;
    pthread_mutex_unlock(&s->mutex);
}

json_t *mn_response_get(mn_response_store *s, const char *tenant, const char *id,
                        mn_stored_part part)
{
    char *text = NULL;
    pthread_mutex_lock(&s->mutex);
    entry *e = find(s, tenant, id);
    if (e) text = strdup(e->parts[part]);
    pthread_mutex_unlock(&s->mutex);
    json_t *value = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
    free(text);
    return value;
}

bool mn_response_delete(mn_response_store *s, const char *tenant, const char *id)
{
    pthread_mutex_lock(&s->mutex);
    entry *e = find(s, tenant, id);
    if (e) remove_entry(s, e);
    pthread_mutex_unlock(&s->mutex);
    return e != NULL;
}

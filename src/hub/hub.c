/* The hub object, searching, and what is known of a model before it is fetched. */
#include "hub/hub.h"
#include "base/status.h"
#include "base/utf8.h"
#include "format/quoted.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char default_endpoint[] = "https://huggingface.co";

static char *copy_of(const char *s) { return s && *s ? strdup(s) : NULL; }

static minerva_status copy_options(minerva_hub *h, const minerva_hub_options *o)
{
    h->o = *o;
    h->home = strdup(o->home);
    h->endpoint = strdup(o->endpoint && *o->endpoint ? o->endpoint : default_endpoint);
    h->bundled = copy_of(o->bundled);
    h->token = copy_of(o->token);
    h->proxy = copy_of(o->proxy);
    h->no_proxy = copy_of(o->no_proxy);
    h->ca_file = copy_of(o->ca_file);
    if (!h->home || !h->endpoint) return MINERVA_MEMORY;
    for (char *end = h->endpoint + strlen(h->endpoint); end > h->endpoint && end[-1] == '/';)
        *--end = 0;
    h->models = malloc(strlen(h->home) + 8);
    if (!h->models) return MINERVA_MEMORY;
    strcat(strcpy(h->models, h->home), "/models");
    for (size_t i = 0; i < o->n_places; i++) {
        h->places[i].kind = o->places[i].kind;
        h->places[i].path = strdup(o->places[i].path);
        if (!h->places[i].path) return MINERVA_MEMORY;
        h->n_places++;
    }
    if (!h->o.connections) h->o.connections = 4;
    if (!h->o.retries) h->o.retries = 6;
    if (!h->o.backoff_ms) h->o.backoff_ms = 500;
    if (!h->o.stall_ms) h->o.stall_ms = 30000;
    if (!h->o.chunk_bytes) h->o.chunk_bytes = 8 << 20;
    return MINERVA_OK;
}

minerva_status minerva_hub_create(minerva_hub **out, const minerva_hub_options *o,
                                  minerva_error *err)
{
    if (!o || !o->home || !*o->home)
        return mn_fail(err, MINERVA_INVALID, "hub: a state folder (home) expected");
    if (o->n_places > MN_MAX_PLACES)
        return mn_fail(err, MINERVA_INVALID, "hub: at most %d places expected, %zu found",
                       MN_MAX_PLACES, o->n_places);
    if (o->connections < 0 || o->connections > 16 || o->chunk_bytes < 0
        || o->chunk_bytes > 1 << 30 || o->retries < 0 || o->backoff_ms < 0 || o->stall_ms < 0)
        return mn_fail(err, MINERVA_INVALID, "hub: 1 to 16 connections and chunks of at most "
                       "1 GiB expected, %d and %lld bytes found", (int)o->connections,
                       (long long)o->chunk_bytes);
    minerva_hub *h = calloc(1, sizeof *h);
    if (!h || copy_options(h, o) != MINERVA_OK) {
        minerva_hub_free(h);
        return mn_fail_memory(err, sizeof *h);
    }
    *out = h;
    return MINERVA_OK;
}

void minerva_hub_free(minerva_hub *h)
{
    if (!h) return;
    for (size_t i = 0; i < h->n_places; i++) free((char *)h->places[i].path);
    free(h->home);
    free(h->models);
    free(h->bundled);
    free(h->endpoint);
    free(h->token);
    free(h->proxy);
    free(h->no_proxy);
    free(h->ca_file);
    free(h);
}

minerva_status mn_hub_connect(const minerva_hub *h, mn_transport **out, minerva_error *err)
{
    mn_transport_options o = { .endpoint = h->endpoint, .token = h->token, .proxy = h->proxy,
                               .no_proxy = h->no_proxy, .ca_file = h->ca_file,
                               .stall_ms = h->o.stall_ms };
    return mn_transport_create(out, &o, err);
}

minerva_status mn_json_text(json_t *value, char **out, minerva_error *err)
{
    char *text = value ? json_dumps(value, JSON_INDENT(2) | JSON_PRESERVE_ORDER
                                               | JSON_REAL_PRECISION(6)) : NULL;
    json_decref(value);
    if (!text) return mn_fail_memory(err, 1);
    *out = text;
    return MINERVA_OK;
}

const char *mn_arena_fmt(mn_arena *a, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    char *s = n >= 0 ? mn_arena_alloc(a, (size_t)n + 1) : NULL;
    if (s) vsnprintf(s, (size_t)n + 1, fmt, again);
    va_end(again);
    va_end(ap);
    return s;
}

/* ---- names ------------------------------------------------------------------------- */

/* Without "https://host/" of this hub or the usual ones, and what a page's address has
 * behind the name. */
static char *without_host(const minerva_hub *h, const char *text, mn_arena *arena)
{
    const char *const hosts[] = { h->endpoint, "https://huggingface.co", "https://hf.co",
                                  "huggingface.co", "hf.co" };
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        size_t n = strlen(hosts[i]);
        if (!strncmp(text, hosts[i], n) && text[n] == '/') {
            text += n + 1;
            break;
        }
    }
    char *s = mn_arena_strdup(arena, text);
    for (char *p = s; p && *p; p++)
        if (*p == '?' || *p == '#') *p = 0;
    return s;
}

minerva_status mn_hub_parse_spec(const minerva_hub *h, const char *text, mn_arena *arena,
                                 mn_model_spec *out, minerva_error *err)
{
    *out = (mn_model_spec){ 0 };
    size_t len = strlen(text);
    char *s = len < 2000 && mn_utf8_valid(text, len) ? without_host(h, text, arena) : NULL;
    if (!s)
        return mn_fail(err, MINERVA_INVALID, "a model's name as org/name[:quantisation] "
                       "expected, %zu bytes found", len);
    char *colon = strchr(s, ':'), *slash = strchr(s, '/');
    if (colon) {
        *colon = 0;
        out->wanted = colon + 1;
    }
    slash = slash ? strchr(slash + 1, '/') : NULL;
    if (slash) {                /* org/name/blob/REV/FILE, org/name/tree/REV, org/name/FILE */
        *slash++ = 0;
        if (!strncmp(slash, "blob/", 5) || !strncmp(slash, "tree/", 5)
            || !strncmp(slash, "resolve/", 8)) {
            out->revision = strchr(slash, '/') + 1;
            slash = strchr(out->revision, '/');
            if (slash) *slash++ = 0;
        }
        if (slash && *slash && !out->wanted) out->wanted = slash;
    }
    char *at = strchr(s, '@');
    if (at) {
        *at = 0;
        out->revision = at + 1;
    }
    out->id = s;
    if (!mn_repo_safe_id(out->id))
        return mn_fail(err, MINERVA_INVALID, "a model's name as org/name[:quantisation] "
                       "expected, \"%s\" found", mn_quoted_name(text).text);
    return MINERVA_OK;
}

/* ---- searching --------------------------------------------------------------------- */

minerva_status minerva_hub_search(minerva_hub *h, const char *text, const char *format,
                                  int32_t limit, const char *page, char **json,
                                  minerva_error *err)
{
    char next[2048] = "";
    mn_transport *t = NULL;
    if (limit < 0 || limit > 1000)
        return mn_fail(err, MINERVA_INVALID, "limit: 1 to 1000 expected, %d found", (int)limit);
    if (format && strcmp(format, "gguf") && strcmp(format, "mlx"))
        return mn_fail(err, MINERVA_INVALID, "format: gguf or mlx expected, \"%s\" found",
                       mn_quoted_name(format).text);
    if (page && strlen(page) >= sizeof next)
        return mn_fail(err, MINERVA_INVALID, "page: at most 2047 bytes expected");
    if (page) snprintf(next, sizeof next, "%s", page);
    minerva_status st = mn_hub_connect(h, &t, err);
    if (st != MINERVA_OK) return st;
    mn_patience patience = { .retries = h->o.retries, .backoff_ms = h->o.backoff_ms };
    mn_repo_client client = { t, h->endpoint, h->token != NULL, &patience };
    json_t *models = json_array();
    st = mn_repo_search(&client, text, format, limit ? limit : 20, next, models, err);
    if (st == MINERVA_OK)
        st = mn_json_text(json_pack("{s:O, s:s?}", "models", models, "next",
                                    *next ? next : NULL), json, err);
    json_decref(models);
    mn_transport_free(t);
    return st;
}

/* ---- one model --------------------------------------------------------------------- */

static json_t *describe_variants(const mn_choice *c, const mn_repo *r, const mn_machine *m)
{
    json_t *list = json_array();
    for (int64_t i = 0; i < c->n; i++) {
        const mn_variant *v = &c->variants[i];
        int64_t need = mn_choice_need_bytes(v->weight_bytes);
        json_t *files = json_array();
        for (int64_t k = 0; k < v->n_files; k++)
            json_array_append_new(files, json_string(v->files[k]->path));
        json_t *item = json_pack("{s:s, s:s, s:I, s:I, s:o, s:b, s:b}", "label", v->label,
            "format", v->directory ? "safetensors" : "gguf", "size_bytes",
            (json_int_t)v->size_bytes, "need_bytes", (json_int_t)need, "files", files, "fits",
            !m->memory_bytes || need <= m->memory_bytes, "complete", v->complete);
        if (m->read_bytes_per_s > 0 && v->weight_bytes > 0)
            json_object_set_new(item, "tokens_per_s",
                                json_real(mn_choice_speed(v->weight_bytes, r->id, m)));
        json_array_append_new(list, item);
    }
    return list;
}

static minerva_status info_of(const minerva_hub *h, const mn_repo_client *client,
                              const mn_model_spec *spec, mn_arena *arena, char **json,
                              minerva_error *err)
{
    mn_repo r;
    mn_choice c;
    const mn_variant *picked = NULL;
    char why[600] = "", *card = NULL;
    mn_machine m = mn_hub_machine(h);
    minerva_error none = { 0 };
    minerva_status st = mn_repo_fetch(client, spec->id, spec->revision, arena, &r, err);
    if (st == MINERVA_OK) st = mn_choice_list(&c, &r, err);
    if (st != MINERVA_OK) return st;
    if (mn_choice_pick(&c, &r, spec->wanted, &m, &picked, why, sizeof why, &none))
        snprintf(why, sizeof why, "%s", none.message);
    mn_repo_card(client, spec->id, &card, NULL);
    json_t *text = card ? json_string(card) : NULL;
    free(card);
    return mn_json_text(json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:o, s:s?, s:s, s:o}", "id",
        r.id, "commit", r.commit, "license", r.license, "gated", r.gated, "context",
        (json_int_t)r.context, "parameters", (json_int_t)r.n_parameters, "variants",
        describe_variants(&c, &r, &m), "recommended", picked ? picked->label : NULL, "why", why,
        "card", text ? text : json_null()), json, err);
}

minerva_status minerva_hub_info(minerva_hub *h, const char *name, char **json,
                                minerva_error *err)
{
    mn_arena arena = { 0 };
    mn_model_spec spec;
    mn_transport *t = NULL;
    minerva_status st = mn_hub_parse_spec(h, name, &arena, &spec, err);
    if (st == MINERVA_OK) st = mn_hub_connect(h, &t, err);
    if (st == MINERVA_OK) {
        mn_patience patience = { .retries = h->o.retries, .backoff_ms = h->o.backoff_ms };
        mn_repo_client client = { t, h->endpoint, h->token != NULL, &patience };
        st = info_of(h, &client, &spec, &arena, json, err);
    }
    mn_transport_free(t);
    mn_arena_clear(&arena);
    return st;
}

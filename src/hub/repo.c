/* The hub's interface; see repo.h. */
#include "hub/repo.h"
#include "base/buffer.h"
#include "base/status.h"
#include "base/utf8.h"
#include "format/json_text.h"
#include "format/quoted.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_ANSWER_BYTES = 64 << 20, MAX_FILES = 10000, MAX_PAGES = 1000 };
static const int64_t max_file_bytes = (int64_t)1 << 46;

/* ---- names ------------------------------------------------------------------------- */

bool mn_repo_safe_path(const char *path)
{
    size_t n = strlen(path);
    if (n == 0 || n > 1000 || !mn_utf8_valid(path, n)) return false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)path[i] < 0x20 || path[i] == 0x7f || path[i] == '\\') return false;
    for (const char *part = path;; part++) {
        size_t len = strcspn(part, "/");
        if (len == 0 || len > 240 || part[0] == '.') return false;
        part += len;
        if (!*part) return true;
    }
}

bool mn_repo_safe_id(const char *id)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._-";
    int parts = 0;
    for (;; id++) {
        size_t n = strspn(id, letters);
        if (n == 0 || n > 96 || *id == '.' || *id == '-' || ++parts > 2) return false;
        id += n;
        if (!*id) return true;
        if (*id != '/') return false;
    }
}

bool mn_repo_safe_revision(const char *rev)
{
    size_t n = strlen(rev);
    if (n == 0 || n > 200 || rev[0] == '-' || strstr(rev, "..")) return false;
    for (; *rev; rev++)
        if (*rev <= ' ' || *rev > '~' || strchr("\\?#%&:^~*[", *rev)) return false;
    return true;
}

/* ---- answers ----------------------------------------------------------------------- */

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static int64_t number_of(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return json_is_integer(v) && json_integer_value(v) > 0 ? json_integer_value(v) : 0;
}

static const char *gate_of(const json_t *o)
{
    const json_t *gated = json_object_get(o, "gated");
    if (json_is_true(gated)) return "manual";
    return json_is_string(gated) ? json_string_value(gated) : "";
}

/* The licence stands in a tag "license:x" or in the card. */
static const char *license_of(const json_t *o)
{
    const json_t *tags = json_object_get(o, "tags"), *tag;
    size_t i;
    json_array_foreach(tags, i, tag) {
        const char *s = json_string_value(tag);
        if (s && !strncmp(s, "license:", 8)) return s + 8;
    }
    return text_of(json_object_get(o, "cardData"), "license");
}

static bool has_tag(const json_t *o, const char *name)
{
    const json_t *tags = json_object_get(o, "tags"), *tag;
    size_t i;
    json_array_foreach(tags, i, tag) {
        const char *s = json_string_value(tag);
        if (s && !strcasecmp(s, name)) return true;
    }
    return false;
}

/* A short plain text for the terminal: no control characters. */
static const char *plain_copy(mn_arena *a, const char *s)
{
    return mn_arena_strdup(a, mn_quoted_name(s).text);
}

minerva_status mn_repo_read_info(mn_repo *r, char *text, size_t len, minerva_error *err)
{
    json_t *o;
    minerva_status st = mn_json_parse(&o, text, len, "the hub's answer", err);
    if (st != MINERVA_OK) return st;
    const char *sha = text_of(o, "sha");
    const json_t *gguf = json_object_get(o, "gguf"), *safe = json_object_get(o, "safetensors");
    if (!json_is_object(o) || !mn_digest_is_hex(MN_DIGEST_GIT, sha)) {
        st = mn_fail(err, MINERVA_INVALID, "the hub's answer: a commit of 40 hexadecimal "
                     "digits expected, \"%s\" found", mn_quoted_name(sha).text);
    } else {
        r->commit = mn_arena_strdup(r->arena, sha);
        r->license = plain_copy(r->arena, license_of(o));
        r->gated = plain_copy(r->arena, gate_of(o));
        r->context = number_of(gguf, "context_length");
        r->n_parameters = number_of(gguf, "total");
        if (!r->n_parameters) r->n_parameters = number_of(safe, "total");
        if (!r->commit || !r->license || !r->gated) st = mn_fail_memory(err, 1);
    }
    json_decref(o);
    return st;
}

static mn_repo_file *new_file(mn_repo *r)
{
    if (r->n_files == r->room) {
        int64_t room = r->room ? 2 * r->room : 64;
        mn_repo_file *more = mn_arena_array(r->arena, (size_t)room, sizeof *more);
        if (!more) return NULL;
        if (r->n_files) memcpy(more, r->files, (size_t)r->n_files * sizeof *more);
        r->files = more;
        r->room = room;
    }
    return &r->files[r->n_files++];
}

static minerva_status read_entry(mn_repo *r, const json_t *e, minerva_error *err)
{
    if (strcmp(text_of(e, "type"), "file")) return MINERVA_OK;
    const char *path = text_of(e, "path");
    const json_t *lfs = json_object_get(e, "lfs");
    const char *sha256 = text_of(lfs, "oid"), *git = text_of(e, "oid");
    int64_t size = number_of(json_is_object(lfs) ? lfs : e, "size");
    if (!mn_repo_safe_path(path)) {
        r->n_unsafe++;
        return MINERVA_OK;
    }
    if (!strncmp(sha256, "sha256:", 7)) sha256 += 7;
    bool large = json_is_object(lfs);
    if (size > max_file_bytes)
        return mn_fail(err, MINERVA_INVALID, "%s: %lld bytes are more than any file has",
                       mn_quoted_name(path).text, (long long)size);
    if (large ? !mn_digest_is_hex(MN_DIGEST_SHA256, sha256)
              : !mn_digest_is_hex(MN_DIGEST_GIT, git))
        return mn_fail(err, MINERVA_INVALID, "%s: a digest expected, \"%s\" found",
                       mn_quoted_name(path).text, mn_quoted_name(large ? sha256 : git).text);
    if (r->n_files >= MAX_FILES)
        return mn_fail(err, MINERVA_LIMIT, "more than %d files in one model", MAX_FILES);
    mn_repo_file *f = new_file(r);
    if (!f || !(f->path = mn_arena_strdup(r->arena, path))) return mn_fail_memory(err, 1);
    const char *slash = strrchr(f->path, '/');
    f->name = slash ? slash + 1 : f->path;
    f->size_bytes = size;
    f->kind = large ? MN_DIGEST_SHA256 : MN_DIGEST_GIT;
    snprintf(f->digest, sizeof f->digest, "%s", large ? sha256 : git);
    return MINERVA_OK;
}

minerva_status mn_repo_read_tree(mn_repo *r, char *text, size_t len, minerva_error *err)
{
    json_t *list, *e;
    size_t i;
    minerva_status st = mn_json_parse(&list, text, len, "the hub's list of files", err);
    if (st != MINERVA_OK) return st;
    if (!json_is_array(list))
        st = mn_fail(err, MINERVA_INVALID, "the hub's list of files: an array expected");
    json_array_foreach(list, i, e) {
        if (st == MINERVA_OK) st = read_entry(r, e, err);
    }
    json_decref(list);
    return st;
}

minerva_status mn_repo_read_search(json_t *out, char *text, size_t len, minerva_error *err)
{
    json_t *list, *e;
    size_t i;
    minerva_status st = mn_json_parse(&list, text, len, "the hub's search", err);
    if (st != MINERVA_OK) return st;
    if (!json_is_array(list))
        st = mn_fail(err, MINERVA_INVALID, "the hub's search: an array expected");
    json_array_foreach(list, i, e) {
        const char *id = *text_of(e, "id") ? text_of(e, "id") : text_of(e, "modelId");
        if (!mn_repo_safe_id(id)) continue;
        bool gguf = has_tag(e, "gguf"), mlx = has_tag(e, "mlx");
        const json_t *g = json_object_get(e, "gguf"), *s = json_object_get(e, "safetensors");
        int64_t n = number_of(g, "total") ? number_of(g, "total") : number_of(s, "total");
        json_array_append_new(out, json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:s, s:s}",
            "id", id, "format", gguf ? "gguf" : mlx ? "mlx" : has_tag(e, "safetensors")
                ? "safetensors" : "other",
            "parameters", (json_int_t)n, "size_bytes", (json_int_t)number_of(e, "usedStorage"),
            "downloads", (json_int_t)number_of(e, "downloads"), "likes",
            (json_int_t)number_of(e, "likes"), "license", mn_quoted_name(license_of(e)).text,
            "gated", mn_quoted_name(gate_of(e)).text, "modified",
            mn_quoted_name(text_of(e, "lastModified")).text));
    }
    json_decref(list);
    return st;
}

/* ---- addresses --------------------------------------------------------------------- */

static void append_escaped(mn_buffer *b, const char *s, bool slashes)
{
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
                     || strchr("-._~", c) || (slashes && c == '/');
        if (plain) mn_buffer_append_byte(b, (char)c);
        else mn_buffer_append_fmt(b, "%%%02X", c);
    }
}

static size_t endpoint_length(const char *endpoint)
{
    size_t n = strlen(endpoint);
    while (n && endpoint[n - 1] == '/') n--;
    return n;
}

char *mn_repo_file_url(const char *endpoint, const mn_repo *r, const char *path)
{
    mn_buffer b = { 0 };
    mn_buffer_append(&b, endpoint, endpoint_length(endpoint));
    mn_buffer_append_fmt(&b, "/%s/resolve/", r->id);
    append_escaped(&b, r->commit, false);
    mn_buffer_append_byte(&b, '/');
    append_escaped(&b, path, true);
    return mn_buffer_take(&b, NULL);
}

/* A 200 answer's body, or the refusal in words. */
static minerva_status get(const mn_repo_client *c, const char *url, const char *what,
                          char **body, size_t *len, mn_answer *answer, minerva_error *err)
{
    minerva_status st = mn_transport_get(c->transport, url, MAX_ANSWER_BYTES, c->patience, body,
                                         len, answer, err);
    if (st != MINERVA_OK || answer->status == 200) return st;
    free(*body);
    *body = NULL;
    return mn_transport_refusal(answer, what, c->has_token, err);
}

static minerva_status fetch_info(const mn_repo_client *c, const char *revision, mn_repo *r,
                                 minerva_error *err)
{
    mn_buffer url = { 0 };
    mn_answer answer;
    char *body = NULL;
    size_t len;
    mn_buffer_append(&url, c->endpoint, endpoint_length(c->endpoint));
    mn_buffer_append_fmt(&url, "/api/models/%s", r->id);
    if (revision) {
        mn_buffer_append_str(&url, "/revision/");
        append_escaped(&url, revision, false);
    }
    minerva_status st = url.failed ? mn_fail_memory(err, 1)
                                   : get(c, url.data, r->id, &body, &len, &answer, err);
    if (st == MINERVA_OK) st = mn_repo_read_info(r, body, len, err);
    free(body);
    mn_buffer_clear(&url);
    return st;
}

static minerva_status fetch_tree(const mn_repo_client *c, mn_repo *r, minerva_error *err)
{
    mn_buffer url = { 0 };
    minerva_status st = MINERVA_OK;
    mn_buffer_append(&url, c->endpoint, endpoint_length(c->endpoint));
    mn_buffer_append_fmt(&url, "/api/models/%s/tree/%s?recursive=true", r->id, r->commit);
    for (int page = 0; st == MINERVA_OK && url.len; page++) {
        mn_answer answer;
        char *body = NULL;
        size_t len;
        if (url.failed) st = mn_fail_memory(err, 1);
        else if (page == MAX_PAGES)
            st = mn_fail(err, MINERVA_LIMIT, "%s: more than %d pages of files", r->id,
                         MAX_PAGES);
        else st = get(c, url.data, r->id, &body, &len, &answer, err);
        if (st == MINERVA_OK) st = mn_repo_read_tree(r, body, len, err);
        free(body);
        mn_buffer_reset(&url);
        if (st == MINERVA_OK && answer.next[0]) mn_buffer_append_str(&url, answer.next);
    }
    mn_buffer_clear(&url);
    return st;
}

minerva_status mn_repo_fetch(const mn_repo_client *c, const char *id, const char *revision,
                             mn_arena *arena, mn_repo *out, minerva_error *err)
{
    *out = (mn_repo){ .arena = arena, .id = mn_arena_strdup(arena, id) };
    if (!out->id) return mn_fail_memory(err, 1);
    if (!mn_repo_safe_id(id))
        return mn_fail(err, MINERVA_INVALID, "a model's name as org/name expected, \"%s\" found",
                       mn_quoted_name(id).text);
    if (revision && !mn_repo_safe_revision(revision))
        return mn_fail(err, MINERVA_INVALID, "a branch, tag or commit expected, \"%s\" found",
                       mn_quoted_name(revision).text);
    minerva_status st = fetch_info(c, revision, out, err);
    return st == MINERVA_OK ? fetch_tree(c, out, err) : st;
}

minerva_status mn_repo_card(const mn_repo_client *c, const char *id, char **text,
                            minerva_error *err)
{
    mn_buffer url = { 0 };
    mn_answer answer;
    size_t len;
    *text = NULL;
    if (!mn_repo_safe_id(id))
        return mn_fail(err, MINERVA_INVALID, "a model's name as org/name expected, \"%s\" found",
                       mn_quoted_name(id).text);
    mn_buffer_append(&url, c->endpoint, endpoint_length(c->endpoint));
    mn_buffer_append_fmt(&url, "/%s/resolve/main/README.md", id);
    minerva_status st = url.failed ? mn_fail_memory(err, 1)
                                   : get(c, url.data, id, text, &len, &answer, err);
    mn_buffer_clear(&url);
    return st;
}

minerva_status mn_repo_search(const mn_repo_client *c, const char *text, const char *format,
                              int limit, char next[2048], json_t *out, minerva_error *err)
{
    static const char *const wanted[] = { "downloads", "likes", "tags", "gated", "gguf",
                                          "safetensors", "lastModified", "usedStorage" };
    mn_buffer url = { 0 };
    mn_answer answer;
    char *body = NULL;
    size_t len;
    if (*next) {
        mn_buffer_append_str(&url, next);
    } else {
        mn_buffer_append(&url, c->endpoint, endpoint_length(c->endpoint));
        mn_buffer_append_str(&url, "/api/models?search=");
        append_escaped(&url, text, false);
        mn_buffer_append_fmt(&url, "&limit=%d&sort=downloads&direction=-1", limit);
        if (format) mn_buffer_append_fmt(&url, "&filter=%s", format);
        for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
            mn_buffer_append_fmt(&url, "&expand=%s", wanted[i]);
    }
    minerva_status st = url.failed ? mn_fail_memory(err, 1)
                                   : get(c, url.data, "search", &body, &len, &answer, err);
    if (st == MINERVA_OK) st = mn_repo_read_search(out, body, len, err);
    if (st == MINERVA_OK) snprintf(next, 2048, "%s", answer.next);
    free(body);
    mn_buffer_clear(&url);
    return st;
}

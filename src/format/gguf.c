/* A GGUF model: one file, or the parts of a split one; see gguf.h.
 *
 * A part of a split model is named PREFIX-00002-of-00003.gguf and says in its metadata
 * split.no (from 0), split.count and split.tensors.count (of all parts together).  The
 * names lead to the other parts, the metadata must agree with the names: a part that was
 * renamed, comes from another split or is missing is refused, not half loaded. */
#include "base/status.h"
#include "format/gguf_file.h"
#include "format/quoted.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { MAX_PARTS = 4096, SUFFIX_LEN = 20 };     /* strlen("-00001-of-00003.gguf") */

/* "-00002-of-00003.gguf" at the end of a path; *prefix_len is what stands before it. */
static bool parse_part_name(const char *path, int *no, int *count, size_t *prefix_len)
{
    size_t len = strlen(path);
    if (len <= SUFFIX_LEN) return false;
    const char *s = path + len - SUFFIX_LEN;
    for (int i = 0; i < SUFFIX_LEN; i++) {
        char want = "-#####-of-#####.gguf"[i];
        if (want == '#' ? s[i] < '0' || s[i] > '9' : s[i] != want) return false;
    }
    *no = atoi(s + 1);
    *count = atoi(s + 10);
    *prefix_len = len - SUFFIX_LEN;
    return true;
}

static minerva_status part_int(const mn_gguf_part *part, const char *key,
                               int64_t fallback, int64_t *out, minerva_error *err)
{
    const mn_gguf_kv *kv = mn_gguf_part_find(part, key, strlen(key));
    *out = fallback;
    if (!kv || (kv->type != MN_GGUF_ARRAY && mn_gguf_kv_int(kv, 0, out)))
        return MINERVA_OK;
    return mn_fail(err, MINERVA_INVALID, "%s: key %s: an integer expected, %s found",
                   part->path, key, mn_gguf_type_name(kv->type));
}

/* Part `no` (from 0) of `count` says so itself. */
static minerva_status check_part(const mn_gguf_part *part, int no, int64_t count,
                                 minerva_error *err)
{
    int64_t own_no, own_count;
    minerva_status status;
    if ((status = part_int(part, "split.no", -1, &own_no, err))
        || (status = part_int(part, "split.count", 1, &own_count, err)))
        return status;
    if (own_no != no || own_count != count)
        return mn_fail(err, MINERVA_INVALID,
                       "%s: part %d of %" PRId64 " expected by its name, part %" PRId64
                       " of %" PRId64 " found inside",
                       part->path, no + 1, count, own_no + 1, own_count);
    return MINERVA_OK;
}

/* parts[0] is the file that was named, already open; replace it by all parts in order. */
static minerva_status open_parts(mn_gguf *g, int64_t count, minerva_error *err)
{
    const char *path = g->parts[0].path;
    int named_no, named_count;
    size_t prefix_len;
    if (count > MAX_PARTS)
        return mn_fail(err, MINERVA_INVALID, "%s: at most %d parts expected, %" PRId64
                       " found", path, MAX_PARTS, count);
    if (!parse_part_name(path, &named_no, &named_count, &prefix_len)
        || named_count != count || named_no < 1 || named_no > named_count)
        return mn_fail(err, MINERVA_INVALID,
                       "%s: this is a part of a model in %" PRId64
                       " parts, so a name that "
                       "ends in -00001-of-%05d.gguf is expected",
                       path, count, (int)count);
    mn_gguf_part opened = g->parts[0];
    g->parts = mn_arena_array(&g->arena, (size_t)count, sizeof *g->parts);
    char *name = mn_arena_strdup(&g->arena, path);
    if (!g->parts || !name) {
        mn_gguf_part_close(&opened);
        g->n_parts = 0;
        return mn_fail_memory(err, (size_t)count * sizeof *g->parts);
    }
    g->n_parts = (int)count;
    g->parts[named_no - 1] = opened;
    for (int i = 0; i < count; i++) {
        minerva_status status = MINERVA_OK;
        snprintf(name + prefix_len, SUFFIX_LEN + 1, "-%05d-of-%05d.gguf", i + 1,
                 (int)count);
        if (i != named_no - 1) status = mn_gguf_part_open(&g->parts[i], name, NULL,
                                                           &g->arena, err);
        if (status == MINERVA_NOT_FOUND) {
            mn_fail_context(err, "part %d of %" PRId64 " is missing", i + 1, count);
            return status;
        }
        if (status == MINERVA_OK) status = check_part(&g->parts[i], i, count, err);
        if (status != MINERVA_OK) return status;
    }
    return MINERVA_OK;
}

/* All parts' tensors in one list with one map of names. */
static minerva_status join_tensors(mn_gguf *g, minerva_error *err)
{
    int64_t n = 0, declared, k = 0;
    for (int i = 0; i < g->n_parts; i++) n += g->parts[i].n_tensors;
    minerva_status status =
        part_int(&g->parts[0], "split.tensors.count", n, &declared, err);
    if (status != MINERVA_OK) return status;
    if (declared != n && g->n_parts > 1)
        return mn_fail(err, MINERVA_INVALID,
                       "%s: %" PRId64 " tensors expected in all parts, %" PRId64 " found",
                       g->parts[0].path, declared, n);
    g->tensors = mn_arena_array(&g->arena, (size_t)n, sizeof *g->tensors);
    if (!g->tensors || !mn_map_reserve(&g->names, (size_t)n))
        return mn_fail_memory(err, (size_t)n * sizeof *g->tensors);
    for (int i = 0; i < g->n_parts; i++) {
        for (int64_t j = 0; j < g->parts[i].n_tensors; j++, k++) {
            const mn_tensor_ref *t = &g->parts[i].tensors[j];
            bool existed;
            g->tensors[k] = *t;
            if (!mn_map_put(&g->names, t->name, t->name_len, (uint32_t)k, &existed))
                return mn_fail_memory(err, t->name_len);
            if (existed)
                return mn_fail(err, MINERVA_INVALID, "%s: tensor %s is there twice",
                               g->parts[i].path, mn_quoted_name(t->name).text);
        }
    }
    g->n_tensors = n;
    return MINERVA_OK;
}

static minerva_status open_model(mn_gguf **out, const char *path,
                                 const mn_mapfile *memory, minerva_error *err)
{
    mn_gguf *g = calloc(1, sizeof *g);
    *out = NULL;
    if (!g) return mn_fail_memory(err, sizeof *g);
    if (getrandom(&g->names.seed, sizeof g->names.seed, GRND_NONBLOCK) < 0)
        g->names.seed = (uintptr_t)g;
    minerva_status status;
    int64_t count;
    g->parts = mn_arena_alloc(&g->arena, sizeof *g->parts);
    if (!g->parts) {
        status = mn_fail_memory(err, sizeof *g->parts);
        goto fail;
    }
    if ((status = mn_gguf_part_open(&g->parts[0], path, memory, &g->arena, err)))
        goto fail;
    g->n_parts = 1;
    if ((status = part_int(&g->parts[0], "split.count", 1, &count, err))) goto fail;
    if (count > 1 && memory)
        status = mn_fail(err, MINERVA_INVALID,
                         "%s: a whole model expected, a part of one in %" PRId64
                         " parts found",
                         path, count);
    else if (count > 1)
        status = open_parts(g, count, err);
    if (status != MINERVA_OK) goto fail;
    if ((status = join_tensors(g, err))) goto fail;
    *out = g;
    return MINERVA_OK;
fail:
    mn_gguf_close(g);
    return status;
}

minerva_status mn_gguf_open(mn_gguf **out, const char *path, minerva_error *err)
{
    return open_model(out, path, NULL, err);
}

minerva_status mn_gguf_open_memory(mn_gguf **out, const void *data, size_t size_bytes,
                                   minerva_error *err)
{
    mn_mapfile memory = { data, size_bytes };
    return open_model(out, "(memory)", &memory, err);
}

void mn_gguf_close(mn_gguf *g)
{
    if (!g) return;
    for (int i = 0; i < g->n_parts; i++) mn_gguf_part_close(&g->parts[i]);
    mn_map_clear(&g->names);
    mn_arena_clear(&g->arena);
    free(g);
}

size_t mn_gguf_size_bytes(const mn_gguf *g)
{
    size_t n = 0;
    for (int i = 0; i < g->n_parts; i++) n += g->parts[i].file.size_bytes;
    return n;
}

int mn_gguf_n_parts(const mn_gguf *g) { return g->n_parts; }
int64_t mn_gguf_n_kv(const mn_gguf *g) { return g->parts[0].n_kv; }

const mn_gguf_kv *mn_gguf_kv_at(const mn_gguf *g, int64_t i)
{
    return i >= 0 && i < g->parts[0].n_kv ? &g->parts[0].kv[i] : NULL;
}

int64_t mn_gguf_n_tensors(const mn_gguf *g) { return g->n_tensors; }

const mn_tensor_ref *mn_gguf_tensor_at(const mn_gguf *g, int64_t i)
{
    return i >= 0 && i < g->n_tensors ? &g->tensors[i] : NULL;
}

const mn_tensor_ref *mn_gguf_tensor(const mn_gguf *g, const char *name)
{
    uint32_t i;
    return mn_map_get(&g->names, name, strlen(name), &i) ? &g->tensors[i] : NULL;
}

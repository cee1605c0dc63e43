/* Choosing files and a quantisation; see choice.h.
 *
 * The rule for the best that fits: memory must hold the weights and a working reserve
 * (mn_choice_need_bytes: the key-value cache for some thousand tokens and scratch).  Of
 * what fits, 8 bits are the most that can be told from the original in use, so wider ones
 * are taken only where there is nothing else.  Each token reads all (active) weights once,
 * so size is speed: the widest that still gives MIN_SPEED tokens per second is taken; if
 * none does, one of 4 bits, where quality falls off quickly below; if that does not fit,
 * the widest that does.
 */
#include "hub/choice.h"
#include "base/buffer.h"
#include "base/status.h"
#include "format/quoted.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const double min_speed = 10, speed_share = 0.6;    /* of the memory's rate */

int64_t mn_choice_need_bytes(int64_t weight_bytes)
{
    return weight_bytes + weight_bytes / 10 + ((int64_t)512 << 20);
}

double mn_active_share(const char *name)
{
    double total = 0, active = 0;
    for (const char *p = name; *p; p++) {
        bool starts = p == name || strchr("-_./", p[-1]);
        if (!starts) continue;
        bool is_active = (*p == 'A' || *p == 'a') && p[1] >= '0' && p[1] <= '9';
        char *end;
        if (!is_active && (*p < '0' || *p > '9')) continue;
        double v = strtod(p + is_active, &end);
        if ((*end != 'B' && *end != 'b') || (end[1] && !strchr("-_./:", end[1]))) continue;
        if (is_active) active = v;
        else if (!total) total = v;
    }
    return active > 0 && total > active ? active / total : 1;
}

/* ---- sorting files ----------------------------------------------------------------- */

static bool is_pickle(const char *name)
{
    static const char *const ends[] = { ".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle",
                                        ".npz", ".npy", ".h5", ".msgpack" };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (mn_ends_with(name, ends[i])) return true;
    return false;
}

static bool is_code(const char *name)
{
    static const char *const ends[] = { ".py", ".pyc", ".ipynb", ".so", ".sh", ".js", ".exe",
                                        ".dll" };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (mn_ends_with(name, ends[i])) return true;
    return false;
}

/* What of a model directory is worth having besides the weights. */
static bool is_companion(const char *name)
{
    static const char *const ends[] = { ".json", ".jinja", ".model", ".tiktoken", ".md" };
    if (is_pickle(name) || is_code(name)) return false;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (mn_ends_with(name, ends[i])) return true;
    return !strcasecmp(name, "merges.txt") || !strcasecmp(name, "vocab.txt")
           || !strncasecmp(name, "LICENSE", 7) || !strncasecmp(name, "NOTICE", 6);
}

static bool is_model_gguf(const mn_repo_file *f)
{
    size_t stem;
    int part, n_parts;
    if (!mn_ends_with(f->name, ".gguf") || mn_is_projector(f->name)
        || !mn_split_name(f->path, &stem, &part, &n_parts))
        return false;
    for (const char *p = f->name; *p; p++)
        if (!strncasecmp(p, "imatrix", 7)) return false;
    return true;
}

static bool at_top(const mn_repo_file *f) { return f->name == f->path; }

/* All safetensors at the top, but for a second copy in another layout. */
static bool is_weight_shard(const mn_repo *r, const mn_repo_file *f)
{
    if (!at_top(f) || !mn_ends_with(f->name, ".safetensors")) return false;
    if (!strncmp(f->name, "model", 5)) return true;
    for (int64_t i = 0; i < r->n_files; i++)
        if (at_top(&r->files[i]) && !strncmp(r->files[i].name, "model", 5)
            && mn_ends_with(r->files[i].name, ".safetensors"))
            return false;
    return true;
}

static bool same_model(const mn_repo_file *a, const mn_repo_file *b)
{
    size_t n, m;
    int part, of_a, of_b;
    return mn_split_name(a->path, &n, &part, &of_a) && mn_split_name(b->path, &m, &part, &of_b)
           && n == m && of_a == of_b && !memcmp(a->path, b->path, n);
}

static int by_path(const void *a, const void *b)
{
    return strcmp((*(mn_repo_file *const *)a)->path, (*(mn_repo_file *const *)b)->path);
}

/* The variant that begins with file `first`; false if memory ran out. */
static bool gather_gguf(mn_variant *v, const mn_repo *r, const mn_repo_file *first)
{
    size_t stem;
    int part, n_parts;
    mn_split_name(first->path, &stem, &part, &n_parts);
    size_t n_files = 0;
    for (int64_t i = 0; i < r->n_files; i++)
        n_files += is_model_gguf(&r->files[i]) && same_model(first, &r->files[i]);
    *v = (mn_variant){ .files = mn_arena_array(r->arena, n_files + 1, sizeof *v->files) };
    if (!v->files) return false;
    for (int64_t i = 0; i < r->n_files; i++) {
        const mn_repo_file *f = &r->files[i];
        if (!is_model_gguf(f) || !same_model(first, f)) continue;
        v->files[v->n_files++] = f;
        v->size_bytes += f->size_bytes;
    }
    v->weight_bytes = v->size_bytes;
    v->complete = v->n_files == n_parts;
    qsort(v->files, (size_t)v->n_files, sizeof *v->files, by_path);
    mn_quant_label label = mn_quant_label_of(first->path);
    v->bits = label.bits;
    if (label.text[0]) snprintf(v->label, sizeof v->label, "%s", label.text);
    else snprintf(v->label, sizeof v->label, "%.*s", (int)(stem - (size_t)(first->name
                  - first->path)), first->name);
    return true;
}

static bool gather_directory(mn_variant *v, const mn_repo *r)
{
    bool config = false;
    *v = (mn_variant){ .directory = true, .complete = true,
                       .files = mn_arena_array(r->arena, (size_t)r->n_files + 1,
                                               sizeof *v->files) };
    if (!v->files) return false;
    for (int64_t i = 0; i < r->n_files; i++)
        if (is_weight_shard(r, &r->files[i])) {
            v->files[v->n_files++] = &r->files[i];
            v->weight_bytes += r->files[i].size_bytes;
        }
    bool weights = v->n_files > 0;
    v->size_bytes = v->weight_bytes;
    for (int64_t i = 0; i < r->n_files; i++) {
        const mn_repo_file *f = &r->files[i];
        if (!at_top(f) || !is_companion(f->name)) continue;
        if (!strcmp(f->name, "config.json")) config = true;
        v->files[v->n_files++] = f;
        v->size_bytes += f->size_bytes;
    }
    if (!weights || !config) v->n_files = 0;
    mn_quant_label label = mn_quant_label_of(r->id);
    v->bits = label.bits;
    snprintf(v->label, sizeof v->label, "%s", label.text[0] ? label.text : "safetensors");
    return true;
}

static int by_size(const void *a, const void *b)
{
    const mn_variant *x = a, *y = b;
    if (x->size_bytes != y->size_bytes) return x->size_bytes < y->size_bytes ? 1 : -1;
    return strcmp(x->label, y->label);
}

/* F16 before BF16 before others: every runtime takes it. */
static bool better_projector(const mn_repo_file *f, const mn_repo_file *than)
{
    if (!than) return true;
    bool f16 = !strcmp(mn_quant_label_of(f->name).text, "F16");
    bool has_f16 = !strcmp(mn_quant_label_of(than->name).text, "F16");
    return f16 != has_f16 ? f16 : f->size_bytes < than->size_bytes;
}

minerva_status mn_choice_list(mn_choice *out, const mn_repo *r, minerva_error *err)
{
    *out = (mn_choice){ .variants = mn_arena_array(r->arena, (size_t)r->n_files + 1,
                                                   sizeof *out->variants) };
    if (!out->variants) return mn_fail_memory(err, 1);
    for (int64_t i = 0; i < r->n_files; i++) {
        const mn_repo_file *f = &r->files[i];
        bool known = false;
        out->n_pickles += is_pickle(f->name);
        out->n_code += is_code(f->name);
        if (mn_is_projector(f->name) && better_projector(f, out->projector)) out->projector = f;
        if (!is_model_gguf(f)) continue;
        for (int64_t k = 0; k < out->n && !known; k++)
            known = same_model(out->variants[k].files[0], f);
        if (!known && !gather_gguf(&out->variants[out->n++], r, f)) return mn_fail_memory(err, 1);
    }
    if (out->n) qsort(out->variants, (size_t)out->n, sizeof *out->variants, by_size);
    if (!gather_directory(&out->variants[out->n], r)) return mn_fail_memory(err, 1);
    out->n += out->variants[out->n].n_files > 0;
    return MINERVA_OK;
}

/* ---- picking one ------------------------------------------------------------------- */

static const char *size_text(double bytes, char out[32])
{
    if (bytes >= 1e9) snprintf(out, 32, "%.1f GB", bytes / 1e9);
    else snprintf(out, 32, "%.0f MB", bytes / 1e6);
    return out;
}

static void list_labels(const mn_choice *c, mn_buffer *b)
{
    char size[32];
    for (int64_t i = 0; i < c->n && i < 40; i++)
        mn_buffer_append_fmt(b, "%s%s (%s)", i ? ", " : "",
                             mn_quoted_name(c->variants[i].label).text,
                             size_text((double)c->variants[i].size_bytes, size));
}

static minerva_status nothing_to_take(const mn_choice *c, const mn_repo *r, minerva_error *err)
{
    if (c->n_pickles)
        return mn_fail(err, MINERVA_UNSUPPORTED, "%s: GGUF files or safetensors with "
                       "config.json expected, PyTorch pickles found, which can run code when "
                       "they are read", r->id);
    return mn_fail(err, MINERVA_NOT_FOUND, "%s: GGUF files or safetensors with config.json "
                   "expected, none of %lld files is one", r->id, (long long)r->n_files);
}

static bool matches(const mn_variant *v, const char *wanted)
{
    if (!strcasecmp(v->label, wanted)) return true;
    if (v->directory)
        return !strcasecmp(wanted, "mlx") || !strcasecmp(wanted, "safetensors");
    return !strcmp(v->files[0]->path, wanted) || !strcmp(v->files[0]->name, wanted);
}

static minerva_status by_name(const mn_choice *c, const mn_repo *r, const char *wanted,
                              const mn_variant **out, minerva_error *err)
{
    for (int64_t i = 0; i < c->n; i++)
        if (matches(&c->variants[i], wanted)) {
            *out = &c->variants[i];
            return MINERVA_OK;
        }
    mn_buffer have = { .limit_bytes = 400 };
    list_labels(c, &have);
    minerva_status st = mn_fail(err, MINERVA_NOT_FOUND, "%s has no %s; it has %s", r->id,
                                mn_quoted_name(wanted).text, have.data ? have.data : "");
    mn_buffer_clear(&have);
    return st;
}

double mn_choice_speed(int64_t weight_bytes, const char *name, const mn_machine *m)
{
    double bytes = (double)weight_bytes * mn_active_share(name);
    return bytes > 0 ? m->read_bytes_per_s * speed_share / bytes : 0;
}

static double speed_of(const mn_variant *v, const mn_repo *r, const mn_machine *m)
{
    return mn_choice_speed(v->weight_bytes, r->id, m);
}

static bool fits(const mn_variant *v, const mn_machine *m)
{
    return !m->memory_bytes || mn_choice_need_bytes(v->weight_bytes) <= m->memory_bytes;
}

/* Is `a` the better 4-bit one?  Q4_K_M is the middle that everybody knows. */
static const mn_variant *four_bits(const mn_choice *c, const mn_machine *m)
{
    const mn_variant *best = NULL;
    for (int64_t i = 0; i < c->n; i++) {
        const mn_variant *v = &c->variants[i];
        if (v->directory || !v->complete || v->bits != 4 || !fits(v, m)) continue;
        if (!strcmp(v->label, "Q4_K_M")) return v;
        if (!best) best = v;
    }
    return best;
}

static void tell_why(const mn_variant *v, const mn_repo *r, const mn_machine *m,
                     const char *reason, char *why, size_t size)
{
    char a[32], b[32], c[32], speed[64] = "";
    double s = speed_of(v, r, m);
    if (s > 0) snprintf(speed, sizeof speed, ", about %.*f tokens/s", s < 10 ? 1 : 0, s);
    snprintf(why, size, "%s: %s; %s of weights, about %s in use of %s free%s",
             mn_quoted_name(v->label).text, reason, size_text((double)v->weight_bytes, a),
             size_text((double)mn_choice_need_bytes(v->weight_bytes), b),
             m->memory_bytes ? size_text((double)m->memory_bytes, c) : "unknown", speed);
}

static minerva_status best(const mn_choice *c, const mn_repo *r, const mn_machine *m,
                           const mn_variant **out, const char **reason, minerva_error *err)
{
    const mn_variant *widest = NULL, *smallest = NULL, *directory = NULL, *any = NULL;
    for (int64_t i = 0; i < c->n; i++) {
        const mn_variant *v = &c->variants[i];
        if (!v->complete) continue;
        if (v->directory) {
            directory = v;
            continue;
        }
        smallest = v;
        if (!fits(v, m)) continue;
        if (!any) any = v;
        if (v->bits > 8) continue;
        if (!widest) widest = v;
        if (m->read_bytes_per_s > 0 && speed_of(v, r, m) < min_speed) continue;
        *out = v;
        *reason = v == widest ? "the widest of at most 8 bits that fits"
                              : "the widest that still gives 10 tokens/s here";
        return MINERVA_OK;
    }
    if ((*out = four_bits(c, m))) {
        *reason = "4 bits, as wider ones are slower still and narrower ones lose much";
        return MINERVA_OK;
    }
    if ((*out = widest ? widest : any)) {
        *reason = "the widest that fits";
        return MINERVA_OK;
    }
    if (directory && !smallest && fits(directory, m)) {
        *out = directory;
        *reason = "the only form there is";
        return MINERVA_OK;
    }
    if (!smallest) smallest = directory;
    if (!smallest)
        return mn_fail(err, MINERVA_INVALID, "%s: every split model lacks parts", r->id);
    char a[32], b[32];
    return mn_fail(err, MINERVA_FULL, "%s: nothing fits into the %s of memory that are free; "
                   "the smallest, %s, needs about %s (name it to fetch it all the same)", r->id,
                   size_text((double)m->memory_bytes, a), mn_quoted_name(smallest->label).text,
                   size_text((double)mn_choice_need_bytes(smallest->weight_bytes), b));
}

minerva_status mn_choice_pick(const mn_choice *c, const mn_repo *r, const char *wanted,
                              const mn_machine *m, const mn_variant **out, char *why,
                              size_t size, minerva_error *err)
{
    const char *reason = "as asked";
    minerva_status st;
    *out = NULL;
    if (c->n == 0) return nothing_to_take(c, r, err);
    if (wanted && *wanted) st = by_name(c, r, wanted, out, err);
    else st = best(c, r, m, out, &reason, err);
    if (st != MINERVA_OK) return st;
    if (!(*out)->complete)
        return mn_fail(err, MINERVA_INVALID, "%s: %s lacks parts of its split", r->id,
                       mn_quoted_name((*out)->label).text);
    if (wanted && *wanted && !fits(*out, m)) reason = "as asked, though it does not fit";
    tell_why(*out, r, m, reason, why, size);
    return MINERVA_OK;
}

/* Writing down what a reader asks for; see outline.h. */
#include "model/outline.h"

#include <stdlib.h>
#include <string.h>

static mn_outline_tensor *add(mn_build *b, const char *name)
{
    mn_outline *o = b->outline;
    if (b->status) return NULL;
    if (o->n_tensors == o->capacity) {
        int32_t capacity = o->capacity ? 2 * o->capacity : 256;
        mn_outline_tensor *grown = realloc(o->tensors, (size_t)capacity * sizeof *grown);
        if (!grown) {
            b->status = mn_fail_memory(b->err, (size_t)capacity * sizeof *grown);
            return NULL;
        }
        o->tensors = grown;
        o->capacity = capacity;
    }
    mn_outline_tensor *t = &o->tensors[o->n_tensors];
    *t = (mn_outline_tensor){ .name = mn_arena_strdup(&b->plan->arena, name), .layer = b->layer };
    if (!t->name) {
        b->status = mn_fail_memory(b->err, strlen(name));
        return NULL;
    }
    o->n_tensors++;
    return t;
}

static int n_alternatives(const char *names)
{
    int n = names && *names;
    for (const char *p = names; p && *p; p++) n += *p == '|';
    return n;
}

int mn_outline_choose(const mn_build *b, const char *gguf, const char *hf, bool needed)
{
    const mn_outline *o = b->outline;
    const char *names = b->gguf ? gguf : hf;
    int n = n_alternatives(names);
    if (!n) return -1;
    int i = o->choose ? o->choose(o->ctx, b, names, needed) : 0;
    if (i >= n) i = n - 1;
    return i < 0 && needed ? 0 : i;
}

void mn_outline_matrix(mn_build *b, mn_weight *out, const char *name, int64_t experts,
                       int64_t rows, int64_t cols, bool optional)
{
    uint32_t index = (uint32_t)b->outline->n_tensors;
    mn_outline_tensor *t = add(b, name);
    mn_outline_row *fake = mn_build_alloc(b, (size_t)rows, sizeof *fake);
    if (!t || !fake) return;
    t->matrix = true;
    t->optional = optional;
    t->n_experts = experts;
    t->rows = rows;
    t->cols = cols;
    for (int64_t r = 0; r < rows; r++) fake[r] = (mn_outline_row){ index, (uint32_t)r };
    *out = (mn_weight){ .type = MN_F32, .rows = rows, .cols = cols,
                        .n_experts = experts ? experts : 1, .data = (const uint8_t *)fake,
                        .row_bytes = sizeof *fake };
}

const float *mn_outline_floats(mn_build *b, const char *name, int64_t experts, int64_t n,
                               bool optional, unsigned flags)
{
    mn_outline_tensor *t = add(b, name);
    float *ones = mn_build_alloc(b, (size_t)n, sizeof *ones);
    if (!t || !ones) return NULL;
    t->optional = optional;
    t->flags = flags;
    t->n_experts = experts;
    t->rows = experts ? n / experts : n;
    t->cols = 1;
    t->vector = ones;
    for (int64_t i = 0; i < n; i++) ones[i] = 1;
    return ones;
}

const mn_outline_tensor *mn_outline_vector(const mn_outline *o, const float *p, int64_t *at)
{
    for (int32_t i = 0; p && i < o->n_tensors; i++) {
        const mn_outline_tensor *t = &o->tensors[i];
        int64_t n = t->rows * (t->n_experts ? t->n_experts : 1);
        if (!t->vector || p < t->vector || p >= t->vector + n) continue;
        *at = p - t->vector;
        return t;
    }
    return NULL;
}

void mn_outline_clear(mn_outline *o)
{
    free(o->tensors);
    o->tensors = NULL;
    o->n_tensors = o->capacity = 0;
}

/* ---- the log of fields --------------------------------------------------------------- */

void mn_config_note(mn_build *b, const mn_config_field *field)
{
    mn_config_log *log = b->log;
    if (!log || b->status) return;
    if (log->n == log->capacity) {
        int32_t capacity = log->capacity ? 2 * log->capacity : 128;
        mn_config_field *grown = realloc(log->fields, (size_t)capacity * sizeof *grown);
        if (!grown) {
            b->status = mn_fail_memory(b->err, (size_t)capacity * sizeof *grown);
            return;
        }
        log->fields = grown;
        log->capacity = capacity;
    }
    mn_config_field *f = &log->fields[log->n];
    *f = *field;
    /* names may be on the caller's stack */
    f->gguf = field->gguf ? mn_arena_strdup(&b->plan->arena, field->gguf) : NULL;
    f->hf = field->hf ? mn_arena_strdup(&b->plan->arena, field->hf) : NULL;
    if ((field->gguf && !f->gguf) || (field->hf && !f->hf)) {
        b->status = mn_fail_memory(b->err, 64);
        return;
    }
    log->n++;
}

const mn_config_field *mn_config_log_find(const mn_config_log *log, const char *gguf)
{
    for (int32_t i = log->n - 1; i >= 0; i--)
        if (log->fields[i].gguf && !strcmp(log->fields[i].gguf, gguf)) return &log->fields[i];
    return NULL;
}

void mn_config_log_clear(mn_config_log *log)
{
    free(log->fields);
    *log = (mn_config_log){ 0 };
}

minerva_status mn_plan_outline(mn_plan **out, mn_outline *o, const mn_plan_input *in,
                               minerva_error *err)
{
    mn_plan_input outlined = *in;
    outlined.outline = o;
    minerva_status st = mn_plan_build(out, &outlined, err);
    if (st) mn_outline_clear(o);
    return st;
}

/* The native backend: the contract's table over engine.c, seq.c and exec.c. */
#include "backend/native/native.h"
#include "base/status.h"

#include <stdio.h>
#include <unistd.h>

static minerva_status probe(mn_backend_info *out)
{
    mn_cpu cpu;
    minerva_error err = { 0 };
    *out = (mn_backend_info){ 0 };
    minerva_status st = mn_cpu_init(&cpu, NULL, false, &err);
    if (st) {
        snprintf(out->why_not, sizeof out->why_not, "%.250s", err.message);
        return st;
    }
    snprintf(out->device, sizeof out->device, "%s, %d threads, %s",
             cpu.model[0] ? cpu.model : "CPU", mn_cpu_count(), mn_isa_name(cpu.isa));
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    if (pages > 0 && page > 0) out->memory_bytes = (size_t)pages * (size_t)page;
    return MINERVA_OK;
}

static minerva_status fit(const mn_model_source *source, const mn_load_options *options,
                          mn_fit *out, minerva_error *err)
{
    mn_plan *plan;
    minerva_error why = { 0 };
    *out = (mn_fit){ .weight_bytes = source->size_bytes };
    minerva_status st = mn_plan_create(&plan, source, &why);
    if (st == MINERVA_UNSUPPORTED || st == MINERVA_INVALID) {
        snprintf(out->why, sizeof out->why, "%.250s", why.message);
        return MINERVA_OK;
    }
    if (st) return mn_fail(err, st, "%s", why.message);
    st = mn_engine_sizes(plan, options, out, err);
    out->runs = st == MINERVA_OK;
    mn_plan_free(plan);
    return st;
}

static minerva_status load(const mn_model_source *source, const mn_load_options *options,
                           mn_engine **out, minerva_error *err)
{
    mn_plan *plan;
    minerva_status st = mn_plan_create(&plan, source, err);
    if (st) return st;
    if ((st = mn_engine_create(out, plan, true, options, err))) {
        mn_plan_free(plan);
        return st;
    }
    const mn_engine *e = *out;
    mn_log_line(&options->log, MINERVA_LOG_INFO,
                "native: %s, %s, %d threads, %zu MiB of scratch, context %d", plan->family,
                mn_isa_name(e->cpu.isa), mn_pool_size(e->pool), e->memory_bytes >> 20,
                e->context);
    return MINERVA_OK;
}

static int32_t vocab(const mn_engine *e) { return e->plan->vocab; }
static int32_t hidden(const mn_engine *e) { return e->plan->hidden; }
static int32_t context(const mn_engine *e) { return e->context; }
static int32_t seq_length(const mn_seq *s) { return s->length; }

const mn_backend mn_backend_native = {
    .version = MN_BACKEND_VERSION,
    .name = "native",
    .probe = probe,
    .fit = fit,
    .load = load,
    .unload = mn_engine_free,
    .vocab = vocab,
    .hidden = hidden,
    .context = context,
    .forward = mn_forward,
    .seq_create = mn_seq_new,
    .seq_free = mn_seq_delete,
    .seq_length = seq_length,
    .seq_fork = mn_seq_copy,
    .seq_can_trim = mn_seq_trimmable,
    .seq_trim = mn_seq_cut,
    .seq_bytes = mn_seq_own_bytes,
    .seq_export = mn_seq_write,
    .seq_import = mn_seq_read,
    .limits = mn_engine_limits,
};

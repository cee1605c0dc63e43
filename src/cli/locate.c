/* What a user may call a model, and opening it.
 *
 * In this order: a path that exists; a name or alias of the catalogue (our folder, the
 * bundled model, other programs' folders).  Without a name: $MINERVA_MODEL, else the bundled
 * model, which lies in models/ beside the build folder or in share/minerva/models of the
 * installation.  What the user chose for a model (minerva config) is used where the command
 * says nothing.
 */
#include "cli/cli.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

static const char bundled[] = "minerva-nano";

const char *cli_home(void)
{
    static char home[3000];
    const char *set = getenv("MINERVA_HOME"), *user = getenv("HOME");
    if (set && *set) snprintf(home, sizeof home, "%s", set);
    else snprintf(home, sizeof home, "%s/.minerva", user && *user ? user : "");
    size_t n = strlen(home);
    while (n > 1 && home[n - 1] == '/') home[--n] = 0;
    return home;
}

const char *cli_cache_dir(void)
{
    static char dir[3100];
    snprintf(dir, sizeof dir, "%s/cache", cli_home());
    return dir;
}

static bool exists(const char *path) { return access(path, F_OK) == 0; }

/* DIR/NAME or DIR/NAME.gguf. */
static bool in_folder(const char *dir, const char *name, char path[4096])
{
    static const char *const endings[] = { "", ".gguf" };
    for (int i = 0; i < 2; i++) {
        int n = snprintf(path, 4096, "%s/%s%s", dir, name, endings[i]);
        if (n > 0 && n < 4096 && exists(path)) return true;
    }
    return false;
}

const char *cli_find_bundled(char path[4096])
{
    static const char *const places[] = { "../models", "../share/minerva/models" };
    char exe[PATH_MAX], dir[PATH_MAX + 32], real[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (n <= 0) return NULL;
    exe[n] = 0;
    char *slash = strrchr(exe, '/');
    if (!slash) return NULL;
    *slash = 0;
    for (int i = 0; i < 2; i++) {
        snprintf(dir, sizeof dir, "%s/%s", exe, places[i]);
        if (realpath(dir, real) && in_folder(real, bundled, path)) return path;
    }
    return NULL;
}

/* *choices (may be NULL): what was chosen for it, as JSON, or NULL. */
static const char *find(const char *name, char path[4096], char **choices, minerva_error *err)
{
    if (!name) name = getenv("MINERVA_MODEL");
    if (!name || !*name) return cli_find_bundled(path);
    if (strlen(name) < 4096 && exists(name)) {
        snprintf(path, 4096, "%s", name);
        return path;
    }
    char *found = NULL;
    minerva_hub *hub = cli_hub(NULL, err);
    bool there = hub && minerva_hub_find(hub, name, &found, NULL, err) == MINERVA_OK;
    if (there) {
        snprintf(path, 4096, "%s", found);
        if (choices && minerva_hub_choices(hub, name, choices, NULL) != MINERVA_OK)
            *choices = NULL;
        if (choices) minerva_hub_touch(hub, path);
    }
    minerva_free(found);
    minerva_hub_free(hub);
    return there ? path : NULL;
}

const char *cli_find_model(const char *name, char path[4096])
{
    minerva_error err = { 0 };
    return find(name, path, NULL, &err);
}

/* What the command leaves open is as the user chose it. */
static void take_choices(cli_model_options *o, const json_t *choices)
{
    const char *kv = json_string_value(json_object_get(choices, "kv"));
    const char *backend = json_string_value(json_object_get(choices, "backend"));
    if (!o->kv) o->kv = kv;
    if (!o->backend) o->backend = backend;
    if (!o->context) o->context = (int32_t)json_integer_value(json_object_get(choices, "context"));
    if (!o->threads) o->threads = (int32_t)json_integer_value(json_object_get(choices, "threads"));
}

void cli_add_model_options(cli_option *out, cli_model_options *v)
{
    const cli_option options[] = {
        { "--threads", "-t", CLI_INT, &v->threads, "N", "compute threads (default: all cores)", 0 },
        { "--ctx", "-c", CLI_INT, &v->context, "N", "context in tokens (default: the model's)", 0 },
        { "--batch", "-b", CLI_INT, &v->batch, "N", "tokens per forward pass (default 512)", 0 },
        { "--kv", NULL, CLI_STRING, &v->kv, "TYPE", "KV cache: f16 (default), f32 or q8_0", 0 },
        { "--backend", NULL, CLI_STRING, &v->backend, "NAME", "backend (default: recommended)", 0 },
        { "--precise", NULL, CLI_FLAG, &v->precise, NULL, "f32 activations and KV; slower", 0 },
        { "--verbose", "-v", CLI_FLAG, &v->verbose, NULL, "log to stderr", 0 },
        { 0 },
    };
    memcpy(out, options, sizeof options);
}

static void log_line(void *ctx, minerva_log_level level, const char *line)
{
    const cli_model_options *o = ctx;
    if (o->verbose || level == MINERVA_LOG_ERROR) fprintf(stderr, "minerva: %s\n", line);
}

static bool kv_type(const char *name, minerva_kv_type *out)
{
    static const char *const names[] = { "f16", "f32", "q8_0" };
    for (int i = 0; i < 3; i++)
        if (!name || !strcmp(name, names[i])) {
            *out = (minerva_kv_type)i;
            return true;
        }
    cli_usage("--kv: f16, f32 or q8_0 expected, \"%s\" found", name);
    return false;
}

bool cli_load_options(const cli_model_options *o, minerva_model_options *out)
{
    const char *isa = getenv("MINERVA_CPU");
    *out = (minerva_model_options){
        .backend = o->backend, .isa = isa && *isa ? isa : NULL, .n_threads = o->threads,
        .precise = o->precise, .context = o->context, .max_batch = o->batch, .log = log_line,
        .log_ctx = (void *)o,
    };
    return kv_type(o->kv, &out->kv_type);
}

minerva_model *cli_open_model(const char *name, const cli_model_options *o,
                              minerva_open_mode mode)
{
    static const cli_model_options quiet;
    cli_model_options own = o ? *o : quiet;
    minerva_model_options options;
    char path[4096], *text = NULL;
    minerva_error none = { 0 };
    if (!find(name, path, mode == MINERVA_OPEN_RUN ? &text : NULL, &none)) {
        if (none.code != MINERVA_OK && none.code != MINERVA_NOT_FOUND) cli_fail(&none);
        else if (name) cli_fail_with("%s: no such file or directory, and no model of that name in "
                                "%s/models", name, cli_home());
        else cli_fail_with("no model given, and the bundled one is not beside the program");
        return NULL;
    }
    json_t *choices = text ? json_loads(text, 0, NULL) : NULL;
    take_choices(&own, choices);
    minerva_error err = { 0 };
    minerva_model *model = NULL;
    bool good = cli_load_options(&own, &options);
    options.mode = mode;
    options.log_ctx = (void *)(o ? o : &quiet);     /* outlives the model */
    if (good && minerva_model_open(&model, path, &options, &err) != MINERVA_OK) cli_fail(&err);
    minerva_free(text);
    json_decref(choices);
    return model;
}

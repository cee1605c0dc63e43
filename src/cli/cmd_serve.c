/* minerva serve: the server. */
#include "cli/cli.h"
#include "server/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_MODELS = 32 };

typedef struct {
    const char *host;
    bool quiet;
} ready_line;

static void on_ready(void *ctx, int port)
{
    const ready_line *r = ctx;
    if (!r->quiet)
        fprintf(stderr, "minerva: serving at http://%s:%d\n", r->host ? r->host : "127.0.0.1", port);
}

static void on_log(void *ctx, minerva_log_level level, const char *line)
{
    static const char *const names[] = { "error", "warning", "info", "debug" };
    const ready_line *r = ctx;
    if (!r->quiet || level == MINERVA_LOG_ERROR)
        fprintf(stderr, "level=%s %s\n", names[level], line);
}

/* "models/qwen3.gguf" -> "qwen3": what clients call it. */
static char *name_of(const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    size_t from = n;
    while (from && path[from - 1] != '/') from--;
    n -= from;
    if (n > 5 && !strncmp(path + from + n - 5, ".gguf", 5)) n -= 5;
    return strndup(path + from, n);
}

/* "512M" */
static bool parse_bytes(const char *s, size_t *out)
{
    char *end;
    unsigned long long n = strtoull(s, &end, 10);
    int shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
    if (end == s || *s == '-' || n == 0 || n > (SIZE_MAX >> shift) || end[shift != 0]) return false;
    *out = (size_t)n << shift;
    return true;
}

int cli_serve(int argc, char **argv)
{
    mn_server_options o = { 0 };
    cli_model_options model = { 0 };
    cli_list keys = { 0 }, hosts = { 0 }, origins = { 0 };
    ready_line ready = { 0 };
    int32_t port = 11434;
    const char *cache_bytes = NULL, *memory = NULL, *dir = NULL;
    int32_t keep_alive = 1800;
    cli_option options[32] = {
        { "--host", NULL, CLI_STRING, &o.host, "ADDR", "address to listen on (127.0.0.1)", 0 },
        { "--port", "-p", CLI_INT, &port, "N", "port (11434); 0: any free one", 0 },
        { "--key", NULL, CLI_STRINGS, &keys, "[NAME:]KEY", "a key that clients must have; may be "
          "repeated", 0 },
        { "--allow-host", NULL, CLI_STRINGS, &hosts, "NAME", "a further name of this server", 0 },
        { "--allow-origin", NULL, CLI_STRINGS, &origins, "URL", "a web origin that may call it", 0 },
        { "--parallel", NULL, CLI_INT, &o.scheduler.max_running, "N", "answers made together (32)", 0 },
        { "--queue", NULL, CLI_INT, &o.scheduler.max_queued, "N", "requests that may wait (256)", 0 },
        { "--cache-bytes", NULL, CLI_STRING, &cache_bytes, "N", "memory for answers and cached "
          "prompts of each model, e.g. 8G (half of what is free)", 0 },
        { "--models", NULL, CLI_STRING, &dir, "DIR", "models in here are loaded when asked for "
          "($MINERVA_HOME/models)", 0 },
        { "--on-demand", NULL, CLI_FLAG, &o.on_demand, NULL, "MODEL too is loaded when first "
          "asked for", 0 },
        { "--memory", NULL, CLI_STRING, &memory, "N", "memory of all models together (90% of what "
          "is free)", 0 },
        { "--keep-alive", NULL, CLI_INT, &keep_alive, "S", "seconds without use until a model is "
          "unloaded (1800); -1: never", 0 },
        { "--quiet", "-q", CLI_FLAG, &ready.quiet, NULL, "log errors only", 0 },
    };
    cli_add_model_options(options + 13, &model);
    cli_command c = {
        .verb = "serve", .usage = "serve [MODEL...] [options]",
        .about = "An OpenAI-compatible server.  Without MODEL the bundled one is served; clients\n"
                 "name a model by its file's name.  SIGTERM finishes what is running.",
        .options = options, .max_args = MAX_MODELS,
    };
    int code = cli_parse(&c, argc, argv);
    if (code >= 0) return code;
    if (port < 0 || port > 65535) return cli_usage("--port: 0 to 65535 expected, %d found", port);
    static char paths[MAX_MODELS][4096];
    mn_server_model models[MAX_MODELS];
    size_t n = c.n_args ? (size_t)c.n_args : 1;
    for (size_t i = 0; i < n; i++) {
        const char *name = c.n_args ? c.args[i] : NULL;
        if (!cli_find_model(name, paths[i]))
            return cli_fail_with("%s: no such model", name ? name : "the bundled model");
        models[i] = (mn_server_model){ name_of(paths[i]), paths[i] };
    }
    o.port = port ? port : -1;
    o.models = models;
    o.n_models = n;
    o.keys = keys.items;
    o.n_keys = keys.n;
    o.hosts = hosts.items;
    o.n_hosts = hosts.n;
    o.origins = origins.items;
    o.n_origins = origins.n;
    o.on_ready = on_ready;
    o.log = on_log;
    ready.host = o.host;
    o.ctx = o.log_ctx = &ready;
    char home_dir[4096];
    snprintf(home_dir, sizeof home_dir, "%s/models", cli_home());
    o.model_dir = dir ? dir : home_dir;
    o.keep_alive_s = keep_alive < 0 ? -1 : keep_alive ? keep_alive : 1;
    minerva_error err = { 0 };
    if (!cli_load_options(&model, &o.load)) return CLI_USAGE;
    if (cache_bytes && !parse_bytes(cache_bytes, &o.load.state_limit_bytes))
        return cli_usage("--cache-bytes: a number with K, M or G expected, \"%s\" found",
                         cache_bytes);
    if (memory && !parse_bytes(memory, &o.memory_bytes))
        return cli_usage("--memory: a number with K, M or G expected, \"%s\" found", memory);
    minerva_status st = mn_serve(&o, &err);
    for (size_t i = 0; i < n; i++) free((char *)models[i].name);
    return st == MINERVA_OK ? CLI_OK : cli_fail(&err);
}

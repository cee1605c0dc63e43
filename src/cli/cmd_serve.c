/* minerva serve: the server. */
#include "cli/cli.h"
#include "cli/serve_config.h"
#include "server/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_MODELS = 32 };

typedef struct {
    mn_server_options o;
    cli_model_options model;
    cli_list keys, hosts, origins, load;
    int32_t port, keep_alive, drain, max_connections, header_timeout, idle_timeout;
    const char *cache_bytes, *disk_cache, *memory, *max_body, *dir, *key_file, *log_format, *log_level;
    const char *config, *new_key;
    bool quiet, print, no_chats;
    char paths[MAX_MODELS][4096], home_models[4096], chats_path[4096];
    mn_server_model models[MAX_MODELS];
    serve_kept kept;
    cli_option options[SERVE_MAX_OPTIONS];
    bool given[SERVE_MAX_OPTIONS];
} settings;

static void on_ready(void *ctx, int port)
{
    const settings *s = ctx;
    const char *host = s->o.host ? s->o.host : "127.0.0.1";
    if (!s->quiet)
        fprintf(stderr, strchr(host, ':') ? "minerva: serving at http%s://[%s]:%d\n"
                                          : "minerva: serving at http%s://%s:%d\n",
                s->o.tls_cert ? "s" : "", host, port);
}

/* In one piece, since several threads write. */
static void on_log(void *ctx, minerva_log_level level, const char *line)
{
    size_t n = strlen(line);
    char *text = malloc(n + 1);
    if (!text) return;
    memcpy(text, line, n);
    text[n] = '\n';
    fwrite(text, 1, n + 1, stderr);
    free(text);
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

static void add_options(settings *s)
{
    const cli_option options[] = {
        { "--host", NULL, CLI_STRING, &s->o.host, "ADDR", "address to listen on (127.0.0.1)", 0 },
        { "--port", "-p", CLI_INT, &s->port, "N", "port (11434); 0: any free one", 0 },
        { "--key", NULL, CLI_STRINGS, &s->keys, "[NAME:]KEY", "a key that clients must have, or "
          "its sha256:DIGEST; may be repeated", 0 },
        { "--key-file", NULL, CLI_STRING, &s->key_file, "FILE", "more of them, one in a line", 0 },
        { "--allow-host", NULL, CLI_STRINGS, &s->hosts, "NAME", "a further name of this server", 0 },
        { "--allow-origin", NULL, CLI_STRINGS, &s->origins, "URL", "a web origin that may call it", 0 },
        { "--tls-cert", NULL, CLI_STRING, &s->o.tls_cert, "FILE", "serve HTTPS with this chain (PEM)", 0 },
        { "--tls-key", NULL, CLI_STRING, &s->o.tls_key, "FILE", "and this private key (PEM)", 0 },
        { "--models", NULL, CLI_STRING, &s->dir, "DIR", "models in here are loaded when asked for "
          "($MINERVA_HOME/models)", 0 },
        { "--load", NULL, CLI_STRINGS, &s->load, "MODEL", "the same as an argument MODEL", 0 },
        { "--on-demand", NULL, CLI_FLAG, &s->o.on_demand, NULL, "MODEL too is loaded when first "
          "asked for", 0 },
        { "--memory", NULL, CLI_STRING, &s->memory, "N", "memory of all models together (90% of "
          "what is free)", 0 },
        { "--cache-bytes", NULL, CLI_STRING, &s->cache_bytes, "N", "memory for answers and cached "
          "prompts of each model, e.g. 8G (a quarter of --memory)", 0 },
        { "--disk-cache", NULL, CLI_STRING, &s->disk_cache, "N", "bytes of cached prompts kept on "
          "disk for each model (8G), in $MINERVA_HOME/cache; 0: none", 0 },
        { "--keep-alive", NULL, CLI_INT, &s->keep_alive, "S", "seconds without use until a model "
          "is unloaded (1800); -1: never", 0 },
        { "--parallel", NULL, CLI_INT, &s->o.scheduler.max_running, "N", "answers made together (32)", 0 },
        { "--queue", NULL, CLI_INT, &s->o.scheduler.max_queued, "N", "requests that may wait (256)", 0 },
        { "--max-connections", NULL, CLI_INT, &s->max_connections, "N", "connections (20000)", 0 },
        { "--max-body", NULL, CLI_STRING, &s->max_body, "N", "bytes of a request's body (32M)", 0 },
        { "--header-timeout", NULL, CLI_INT, &s->header_timeout, "S", "seconds for the headers (10)", 0 },
        { "--idle-timeout", NULL, CLI_INT, &s->idle_timeout, "S", "seconds between requests (300)", 0 },
        { "--drain", NULL, CLI_INT, &s->drain, "S", "seconds for running answers at the end (30)", 0 },
        { "--log-format", NULL, CLI_STRING, &s->log_format, "text|json", "of the log on stderr", 0 },
        { "--log-level", NULL, CLI_STRING, &s->log_level, "LEVEL", "error, warning, info or debug", 0 },
        { "--no-chats", NULL, CLI_FLAG, &s->no_chats, NULL, "do not keep the web page's chats "
          "($MINERVA_HOME/minerva.db)", 0 },
        { "--quiet", "-q", CLI_FLAG, &s->quiet, NULL, "log errors only", 0 },
        { "--config", NULL, CLI_STRING, &s->config, "FILE", "settings as {\"serve\": {...}} "
          "($MINERVA_HOME/config.json)", 0 },
        { "--print-config", NULL, CLI_FLAG, &s->print, NULL, "show the settings in force, and end", 0 },
        { "--new-key", NULL, CLI_STRING, &s->new_key, "NAME", "make a key, show it, and end", 0 },
    };
    enum { N = sizeof options / sizeof *options };
    _Static_assert(N + 8 <= SERVE_MAX_OPTIONS, "room for the options of models");
    memcpy(s->options, options, sizeof options);
    cli_add_model_options(s->options + N, &s->model);
    for (size_t i = 0; s->options[i].name; i++) s->options[i].given = &s->given[i];
}

static bool bytes_option(const char *name, const char *text, size_t *out)
{
    if (!text || parse_bytes(text, out)) return true;
    cli_usage("%s: a number with K, M or G expected, \"%s\" found", name, text);
    return false;
}

static bool range_option(const char *name, int32_t value, int32_t lo, int32_t hi)
{
    if (value >= lo && value <= hi) return true;
    cli_usage("%s: %d to %d expected, %d found", name, lo, hi, value);
    return false;
}

static bool settle_log(settings *s)
{
    static const char *const levels[] = { "error", "warning", "info", "debug" };
    int level = s->quiet ? MINERVA_LOG_ERROR : s->model.verbose ? MINERVA_LOG_DEBUG : MINERVA_LOG_INFO;
    if (s->log_level)
        for (level = 3; level >= 0 && strcmp(levels[level], s->log_level);) level--;
    if (level < 0) {
        cli_usage("--log-level: error, warning, info or debug expected, \"%s\" found", s->log_level);
        return false;
    }
    if (s->log_format && strcmp(s->log_format, "text") && strcmp(s->log_format, "json")) {
        cli_usage("--log-format: text or json expected, \"%s\" found", s->log_format);
        return false;
    }
    s->o.log = on_log;
    s->o.log_level = (minerva_log_level)level;
    s->o.log_json = s->log_format && !strcmp(s->log_format, "json");
    return true;
}

/* Settings into the server's options; false after an error line. */
static bool settle(settings *s)
{
    mn_server_options *o = &s->o;
    if (!range_option("--port", s->port, 0, 65535) || !range_option("--drain", s->drain, 1, 86400)
        || !range_option("--keep-alive", s->keep_alive, -1, 1000000000)
        || !range_option("--max-connections", s->max_connections, 1, 1000000)
        || !range_option("--header-timeout", s->header_timeout, 1, 3600)
        || !range_option("--idle-timeout", s->idle_timeout, 1, 86400) || !settle_log(s)
        || !cli_load_options(&s->model, &o->load)
        || !bytes_option("--cache-bytes", s->cache_bytes, &o->load.state_limit_bytes)
        || !bytes_option("--memory", s->memory, &o->memory_bytes)
        || !bytes_option("--max-body", s->max_body, &o->max_body_bytes)) return false;
    bool keeps = !s->disk_cache || strcmp(s->disk_cache, "0");
    if (keeps && !bytes_option("--disk-cache", s->disk_cache, &o->scheduler.max_disk_bytes))
        return false;
    if (keeps) o->scheduler.cache_dir = cli_cache_dir();
    o->port = s->port ? s->port : -1;
    o->keep_alive_s = s->keep_alive ? s->keep_alive : 1;
    o->drain_s = s->drain;
    o->max_connections = s->max_connections;
    o->header_timeout_s = s->header_timeout;
    o->idle_timeout_s = s->idle_timeout;
    o->keys = s->keys.items;
    o->n_keys = s->keys.n;
    o->hosts = s->hosts.items;
    o->n_hosts = s->hosts.n;
    o->origins = s->origins.items;
    o->n_origins = s->origins.n;
    snprintf(s->home_models, sizeof s->home_models, "%s/models", cli_home());
    o->model_dir = s->dir ? s->dir : s->home_models;
    snprintf(s->chats_path, sizeof s->chats_path, "%s/minerva.db", cli_home());
    o->chats_path = s->no_chats ? NULL : s->chats_path;
    o->models = s->models;
    o->on_ready = on_ready;
    o->ctx = o->log_ctx = s;
    return true;
}

static bool find_models(settings *s, const cli_command *c)
{
    const char *names[MAX_MODELS];
    size_t n = 0;
    for (int i = 0; i < c->n_args; i++) names[n++] = c->args[i];
    for (size_t i = 0; i < s->load.n && n < MAX_MODELS; i++) names[n++] = s->load.items[i];
    if (n == 0) names[n++] = NULL;
    for (size_t i = 0; i < n; i++) {
        if (!cli_find_model(names[i], s->paths[i])) {
            cli_fail_with("%s: no such model", names[i] ? names[i] : "the bundled model");
            return false;
        }
        s->models[i] = (mn_server_model){ name_of(s->paths[i]), s->paths[i] };
        s->o.n_models++;
    }
    return true;
}

static int serve(settings *s, int argc, char **argv)
{
    cli_command c = {
        .verb = "serve", .usage = "serve [MODEL...] [options]", .options = s->options,
        .about = "An OpenAI-compatible server.  Without MODEL the bundled one is served; clients\n"
                 "name a model by its file's name.  SIGTERM finishes what is running.\n"
                 "Every option may also stand in the configuration (cache_bytes) or in the\n"
                 "environment (MINERVA_SERVE_CACHE_BYTES); an option given here goes before these.",
        .max_args = MAX_MODELS,
    };
    serve_source sources[SERVE_MAX_OPTIONS];
    int code = cli_parse(&c, argc, argv);
    if (code >= 0) return code;
    if (s->new_key) return serve_new_key(s->new_key);
    if ((code = serve_config_read(s->options, s->given, s->config, sources, &s->kept)) >= 0) return code;
    if (s->print) {
        serve_config_print(s->options, sources);
        return CLI_OK;
    }
    if (s->key_file && (code = serve_read_keys(s->key_file, &s->keys, &s->kept)) >= 0) return code;
    if (!settle(s)) return CLI_USAGE;
    if (!find_models(s, &c)) return CLI_FAILED;
    minerva_error err = { 0 };
    if (s->o.chats_path) mkdir(cli_home(), 0700);   /* if it fails, opening the database says so */
    minerva_status st = mn_serve(&s->o, &err);
    for (size_t i = 0; i < s->o.n_models; i++) free((char *)s->models[i].name);
    return st == MINERVA_OK ? CLI_OK : cli_fail(&err);
}

int cli_serve(int argc, char **argv)
{
    settings *s = calloc(1, sizeof *s);
    if (!s) return cli_fail_with("out of memory");
    s->port = 11434;
    s->keep_alive = 1800;
    s->drain = 30;
    s->max_connections = 20000;
    s->header_timeout = 10;
    s->idle_timeout = 300;
    add_options(s);
    int code = serve(s, argc, argv);
    serve_kept_clear(&s->kept);
    free(s);
    return code;
}

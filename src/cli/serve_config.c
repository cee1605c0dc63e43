/* The server's settings from their four sources, each with the same names and meanings:
 *
 *   flag --cache-bytes 8G  >  environment MINERVA_SERVE_CACHE_BYTES=8G
 *                          >  configuration {"serve": {"cache_bytes": "8G"}}  >  default
 *
 * (1) The table of options is the only list of settings there is; names in the environment
 *     and in the file are made from it.
 * (2) A setting comes from one source alone: lists are not added up.
 * (3) A member that is no setting, or a value of the wrong kind, ends the start.
 * (4) Secrets are shown as their SHA-256 digests, in the form in which they can be put into
 *     the file again.
 */
#include "cli/serve_config.h"
#include "cli/cli.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* "--cache-bytes" -> "cache_bytes" */
static void key_of(const cli_option *o, char out[64])
{
    size_t n = 0;
    for (const char *p = o->name + 2; *p && n < 63; p++) out[n++] = *p == '-' ? '_' : *p;
    out[n] = 0;
}

static void variable_of(const cli_option *o, char out[96])
{
    char key[64];
    key_of(o, key);
    snprintf(out, 96, "MINERVA_SERVE_%s", key);
    for (char *p = out; *p; p++) *p = (char)toupper((unsigned char)*p);
}

/* Options that are about one start and no settings. */
static bool is_setting(const cli_option *o)
{
    static const char *const none[] = { "--config", "--print-config", "--new-key", "--verbose" };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        if (!strcmp(o->name, none[i])) return false;
    return true;
}

/* ---- sources ----------------------------------------------------------------------- */

static int wrong_kind(const char *where, const cli_option *o)
{
    return cli_usage("%s: %s: %s expected", where, o->name + 2,
                     o->kind == CLI_FLAG ? "true or false"
                     : o->kind == CLI_STRINGS ? "an array of at most 64 strings"
                     : o->kind == CLI_STRING ? "a string" : "a number");
}

/* There are more places than texts: two for each option. */
static char *keep(serve_kept *kept, char *text)
{
    return kept->texts[kept->n++] = text;
}

void serve_kept_clear(serve_kept *kept)
{
    json_decref(kept->file);
    while (kept->n) free(kept->texts[--kept->n]);
}

/* Lists in the environment are separated by commas. */
static int take_variable(const cli_option *o, const char *name, const char *text,
                         serve_kept *kept)
{
    if (o->kind != CLI_STRINGS)
        return cli_set_option(o, text) ? -1 : wrong_kind(name, o);
    char *list = keep(kept, strdup(text)), *rest = list;
    for (char *item; (item = strsep(&rest, ","));)
        if (*item && !cli_set_option(o, item)) return wrong_kind(name, o);
    return -1;
}

static int take_member(const cli_option *o, const char *path, const json_t *v, serve_kept *kept)
{
    char number[64];
    const char *text = json_string_value(v);
    if (o->kind == CLI_STRINGS && json_is_array(v)) {
        for (size_t i = 0; i < json_array_size(v); i++) {
            text = json_string_value(json_array_get(v, i));
            if (!text || !cli_set_option(o, text)) return wrong_kind(path, o);
        }
        return -1;
    }
    if (o->kind == CLI_FLAG && json_is_boolean(v)) text = json_is_true(v) ? "true" : "false";
    else if (o->kind == CLI_FLAG) text = NULL;
    else if (json_is_integer(v))
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(v)), text = number;
    else if (o->kind == CLI_INT) text = NULL;
    if (text == number && (o->kind == CLI_STRING || o->kind == CLI_STRINGS)) text = keep(kept, strdup(number));
    return text && cli_set_option(o, text) ? -1 : wrong_kind(path, o);
}

static void warn_if_readable(const char *path, const cli_list *keys)
{
    struct stat info;
    bool plain = false;
    for (size_t i = 0; i < keys->n; i++) plain |= !strstr(keys->items[i], "sha256:");
    if (plain && stat(path, &info) == 0 && info.st_mode & 077)
        fprintf(stderr, "minerva: %s: holds keys and can be read by others (chmod 600, or keep "
                "digests: --print-config)\n", path);
}

/* -1, or an exit code. */
static int take_file(const cli_option *options, const bool *settled, bool *from_file,
                     const char *path, bool must_exist, serve_kept *kept)
{
    json_error_t why;
    char key[64];
    const char *name;
    json_t *value, *all = json_load_file(path, JSON_REJECT_DUPLICATES, &why);
    kept->file = all;
    if (!all && json_error_code(&why) == json_error_cannot_open_file && errno == ENOENT
        && !must_exist) return -1;
    if (!all && why.line < 1) return cli_usage("%s", why.text);
    if (!all) return cli_usage("%s: line %d: %s", path, why.line, why.text);
    json_t *serve = json_object_get(all, "serve");
    if (serve && !json_is_object(serve))
        return cli_usage("%s: serve: an object expected", path);
    json_object_foreach(serve, name, value) {
        const cli_option *o = options;
        for (; o->name; o++) {
            key_of(o, key);
            if (!strcmp(key, name) && is_setting(o)) break;
        }
        if (!o->name) return cli_usage("%s: serve: there is no setting \"%s\"", path, name);
        if (settled[o - options]) continue;
        int code = take_member(o, path, value, kept);
        if (code >= 0) return code;
        from_file[o - options] = true;
        if (!strcmp(name, "key")) warn_if_readable(path, o->value);
    }
    return -1;
}

/* A variable that means nothing is a slip of the pen. */
static int check_variables(const cli_option *options)
{
    char name[96];
    for (char **v = environ; *v; v++) {
        const cli_option *o = options;
        if (strncmp(*v, "MINERVA_SERVE_", 14)) continue;
        for (size_t n = strcspn(*v, "="); o->name; o++) {
            variable_of(o, name);
            if (is_setting(o) && strlen(name) == n && !strncmp(*v, name, n)) break;
        }
        if (!o->name)
            return cli_usage("%.*s: there is no such setting", (int)strcspn(*v, "="), *v);
    }
    return -1;
}

int serve_config_read(const cli_option *options, const bool *given, const char *path,
                      serve_source *sources, serve_kept *kept)
{
    bool settled[SERVE_MAX_OPTIONS] = { 0 }, from_file[SERVE_MAX_OPTIONS] = { 0 };
    char name[96], home_path[4096];
    int code = check_variables(options);
    if (code >= 0) return code;
    for (size_t i = 0; options[i].name; i++) {
        settled[i] = given[i];
        sources[i] = given[i] ? SERVE_FROM_FLAG : SERVE_FROM_DEFAULT;
        variable_of(&options[i], name);
        const char *text = getenv(name);
        if (given[i] || !text || !is_setting(&options[i])) continue;
        code = take_variable(&options[i], name, text, kept);
        if (code >= 0) return code;
        settled[i] = true;
        sources[i] = SERVE_FROM_ENVIRONMENT;
    }
    snprintf(home_path, sizeof home_path, "%s/config.json", cli_home());
    code = take_file(options, settled, from_file, path ? path : home_path, path != NULL,
                     kept);
    for (size_t i = 0; options[i].name; i++)
        if (from_file[i]) sources[i] = SERVE_FROM_FILE;
    return code;
}

/* ---- keys -------------------------------------------------------------------------- */

static void hex_digest(const char *secret, size_t len, char out[65])
{
    unsigned char digest[32];
    SHA256((const unsigned char *)secret, len, digest);
    for (int i = 0; i < 32; i++) snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

/* "name:secret" -> "name:sha256:..." */
static json_t *hidden_key(const char *key)
{
    char hex[65];
    const char *colon = strchr(key, ':');
    const char *secret = colon ? colon + 1 : key;
    if (!strncmp(secret, "sha256:", 7)) return json_string(key);
    hex_digest(secret, strlen(secret), hex);
    return json_sprintf("%.*ssha256:%s", (int)(secret - key), key, hex);
}

int serve_new_key(const char *name)
{
    static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789";    /* 32 of them */
    unsigned char bytes[40];
    char secret[sizeof bytes + 4] = "mn-", hex[65];
    if (!*name || strchr(name, ':') || strlen(name) > 63)
        return cli_usage("--new-key: a name of 1 to 63 characters without \":\" expected");
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return cli_fail_with("the system gives no random bytes: %s", strerror(errno));
    for (size_t i = 0; i < sizeof bytes; i++) secret[3 + i] = letters[bytes[i] & 31];
    secret[3 + sizeof bytes] = 0;
    hex_digest(secret, strlen(secret), hex);
    printf("secret, for the client (shown only now):\n  %s\n"
           "for \"key\" in the configuration, or a line of --key-file:\n  %s:sha256:%s\n", secret,
           name, hex);
    return CLI_OK;
}

int serve_read_keys(const char *path, cli_list *keys, serve_kept *kept)
{
    size_t len;
    char *text = cli_read(path, &len), *rest = text;
    if (!text) return CLI_FAILED;
    keep(kept, text);
    for (char *line; (line = strsep(&rest, "\n"));) {
        line[strcspn(line, "\r")] = 0;
        if (!*line || *line == '#') continue;
        if (keys->n == sizeof keys->items / sizeof *keys->items)
            return cli_usage("%s: at most 64 keys expected", path);
        keys->items[keys->n++] = line;
    }
    if (!keys->n) return cli_usage("%s: at least one line NAME:SECRET expected", path);
    return -1;
}

/* ---- printing ---------------------------------------------------------------------- */

static json_t *value_of(const cli_option *o)
{
    const cli_list *list = o->value;
    json_t *items;
    switch (o->kind) {
    case CLI_FLAG: return json_boolean(*(bool *)o->value);
    case CLI_INT: return json_integer(*(int32_t *)o->value);
    case CLI_UINT64: return json_integer((json_int_t)*(uint64_t *)o->value);
    case CLI_FLOAT: return json_real(*(float *)o->value);
    case CLI_STRING: return *(const char **)o->value ? json_string(*(const char **)o->value) : NULL;
    case CLI_STRINGS: break;
    }
    items = json_array();
    for (size_t i = 0; i < list->n; i++)
        json_array_append_new(items, strcmp(o->name, "--key") ? json_string(list->items[i])
                                                              : hidden_key(list->items[i]));
    return items;
}

void serve_config_print(const cli_option *options, const serve_source *sources)
{
    static const char *const names[] = { "default", "file", "environment", "flag" };
    json_t *serve = json_object(), *from = json_object();
    char key[64];
    for (size_t i = 0; options[i].name; i++) {
        json_t *v = is_setting(&options[i]) ? value_of(&options[i]) : NULL;
        if (!v) continue;
        key_of(&options[i], key);
        json_object_set_new(serve, key, v);
        if (sources[i] != SERVE_FROM_DEFAULT)
            json_object_set_new(from, key, json_string(names[sources[i]]));
    }
    json_t *all = json_pack("{s:o, s:o}", "serve", serve, "from", from);
    char *text = json_dumps(all, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    puts(text ? text : "{}");
    free(text);
    json_decref(all);
}

/* A user's choices per model: home/config.json, {"models": {NAME: {"backend": "native",
 * "context": 8192, "kv": "q8_0", "threads": 4}}}.  Other members of that file are others';
 * they are kept as they are, and a file that is no JSON is never written over. */
#include "base/status.h"
#include "format/quoted.h"
#include "hub/catalogue.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static bool known(const char *key, minerva_error *err)
{
    static const char *const keys[] = { "backend", "context", "kv", "threads" };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!strcmp(key, keys[i])) return true;
    mn_fail(err, MINERVA_INVALID, "backend, context, kv or threads expected, \"%s\" found",
            mn_quoted_name(key).text);
    return false;
}

/* The value as it is kept; NULL after an error. */
static json_t *checked(const char *key, const char *value, minerva_error *err)
{
    char *end;
    if (!known(key, err)) return NULL;
    if (!strcmp(key, "context") || !strcmp(key, "threads")) {
        long n = strtol(value, &end, 10);
        if (end != value && !*end && n > 0 && n <= INT_MAX) return json_integer(n);
        mn_fail(err, MINERVA_INVALID, "%s: a whole number above 0 expected, \"%s\" found", key,
                mn_quoted_name(value).text);
    } else if (!strcmp(key, "kv")) {
        if (!strcmp(value, "f16") || !strcmp(value, "f32") || !strcmp(value, "q8_0"))
            return json_string(value);
        mn_fail(err, MINERVA_INVALID, "kv: f16, f32 or q8_0 expected, \"%s\" found",
                mn_quoted_name(value).text);
    } else {
        if (*value && strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789_-") == strlen(value))
            return json_string(value);
        mn_fail(err, MINERVA_INVALID, "backend: a name expected, \"%s\" found",
                mn_quoted_name(value).text);
    }
    return NULL;
}

static json_t *read_config(const minerva_hub *h, char path[PATH_MAX], minerva_error *err)
{
    snprintf(path, PATH_MAX, "%.4000s/config.json", h->home);
    if (access(path, F_OK)) return json_object();
    json_t *config = mn_read_json(path);
    if (json_is_object(config)) return config;
    json_decref(config);
    mn_fail(err, MINERVA_INVALID, "%s: a JSON object expected; mend or remove it", path);
    return NULL;
}

static json_t *member(json_t *o, const char *key)
{
    json_t *m = json_object_get(o, key);
    if (json_is_object(m)) return m;
    json_object_set_new(o, key, json_object());
    return json_object_get(o, key);
}

static minerva_status change(const minerva_hub *h, const char *name, const char *key,
                             json_t *value, minerva_error *err)
{
    char path[PATH_MAX];
    minerva_status st = mn_make_folders(h->home, err);
    if (st != MINERVA_OK) return st;
    snprintf(path, sizeof path, "%.4000s/config.json.lock", h->home);
    int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (lock < 0 || flock(lock, LOCK_EX))
        st = mn_fail(err, MINERVA_IO, "%s: %s", path, strerror(errno));
    json_t *config = st == MINERVA_OK ? read_config(h, path, err) : NULL;
    if (config) {
        json_t *models = member(config, "models"), *model = member(models, name);
        if (value) json_object_set(model, key, value);
        else json_object_del(model, key);
        if (!json_object_size(model)) json_object_del(models, name);
        st = mn_write_json(path, config, err);
    } else if (st == MINERVA_OK) {
        st = MINERVA_INVALID;
    }
    json_decref(config);
    if (lock >= 0) close(lock);
    return st;
}

minerva_status minerva_hub_choose(minerva_hub *h, const char *name, const char *key,
                                  const char *value, minerva_error *err)
{
    char *path = NULL, *full = NULL;
    minerva_status st = minerva_hub_find(h, name, &path, &full, err);
    if (st != MINERVA_OK) return st;
    json_t *kept = value ? checked(key, value, err) : NULL;
    if (value ? !kept : !known(key, err)) st = MINERVA_INVALID;
    if (st == MINERVA_OK) st = change(h, full, key, kept, err);
    json_decref(kept);
    free(path);
    free(full);
    return st;
}

minerva_status minerva_hub_choices(minerva_hub *h, const char *name, char **json,
                                   minerva_error *err)
{
    char file[PATH_MAX], *path = NULL, *full = NULL;
    minerva_status st = minerva_hub_find(h, name, &path, &full, err);
    if (st != MINERVA_OK) return st;
    json_t *config = read_config(h, file, err);
    json_t *choices = json_object_get(json_object_get(config, "models"), full);
    if (!config) st = MINERVA_INVALID;
    else st = mn_json_text(json_is_object(choices) ? json_incref(choices) : json_object(), json,
                           err);
    json_decref(config);
    free(path);
    free(full);
    return st;
}

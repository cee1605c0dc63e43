/* Inside the hub: the object, and what its files share. */
#ifndef MN_HUB_HUB_H
#define MN_HUB_HUB_H

#include "hub/choice.h"

enum { MN_MAX_PLACES = 32 };

struct minerva_hub {
    char *home, *models;        /* home, home/models */
    minerva_place places[MN_MAX_PLACES];
    size_t n_places;
    char *bundled, *endpoint, *token, *proxy, *no_proxy, *ca_file;
    minerva_hub_options o;      /* numbers, with their defaults filled in */
};

/* The hub's machine: given, or measured just now (measuring memory's rate takes 0.1 s the
 * first time; it is kept in home/cache). */
mn_machine mn_hub_machine(const minerva_hub *h);
int64_t mn_free_memory_bytes(void);     /* 0: unknown; cgroup limits considered */

minerva_status mn_hub_connect(const minerva_hub *h, mn_transport **out, minerva_error *err);

/* "org/name@rev:label" (or a page's address at the hub) taken apart; parts are in the
 * arena, absent ones NULL. */
typedef struct {
    const char *id, *revision, *wanted;
} mn_model_spec;
minerva_status mn_hub_parse_spec(const minerva_hub *h, const char *text, mn_arena *arena,
                                 mn_model_spec *out, minerva_error *err);

/* Makes a folder and those above it. */
minerva_status mn_make_folders(const char *path, minerva_error *err);
/* Removes a file or a folder with all in it; links are not followed.  Returns the bytes. */
int64_t mn_remove_tree(const char *path);
/* Writes a JSON file as a whole or not at all. */
minerva_status mn_write_json(const char *path, const json_t *value, minerva_error *err);
/* Reads one; NULL if it is absent or broken. */
json_t *mn_read_json(const char *path);
/* json_dumps() for the public functions; takes the value. */
minerva_status mn_json_text(json_t *value, char **out, minerva_error *err);
__attribute__((format(printf, 2, 3)))
const char *mn_arena_fmt(mn_arena *a, const char *fmt, ...);

#endif

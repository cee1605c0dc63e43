/* Inside the catalogue: every model on this machine as one list.
 *
 * places.c fills it from folders (ours, other programs'), marks.c keeps what users say
 * about models (aliases, pins) and when they were used, catalogue.c answers questions.
 * Scanning reads directories and small JSON files, never a model.
 */
#ifndef MN_HUB_CATALOGUE_H
#define MN_HUB_CATALOGUE_H

#include "hub/hub.h"

typedef struct {
    const char *name;           /* "org/name:Q4_K_M", unique in its place */
    const char *path;           /* what minerva_model_open() takes */
    const char *place;          /* "minerva", "bundled", "huggingface", ... */
    const char *folder;         /* own models: the folder whose record names it; or NULL */
    const char *label;          /* "Q4_K_M"; "" if unknown */
    const char *id, *commit, *license;  /* "" if unknown */
    int64_t size_bytes;
    int order;                  /* of its place: lower is asked first */
    bool directory, own;
} mn_entry;

typedef struct {
    mn_arena arena;
    mn_entry *entries;
    int64_t n, room;
} mn_catalogue;

minerva_status mn_catalogue_fill(mn_catalogue *c, const minerva_hub *h, minerva_error *err);
void mn_catalogue_clear(mn_catalogue *c);
/* NULL: out of memory. */
mn_entry *mn_catalogue_add(mn_catalogue *c);

/* An Ollama manifest's model: "sha256-..." of its blob and of its config; false if it has
 * none that could be one. */
typedef struct {
    char model[80], config[80];
    int64_t size_bytes;
} mn_ollama_model;
bool mn_ollama_read_manifest(mn_ollama_model *out, char *text, size_t len);

/* {"aliases": {alias: name}, "pins": {name: true}, "last_used": {path: seconds}} */
json_t *mn_marks_read(const minerva_hub *h);
/* Changes them under a lock: `change` returns whether to write. */
minerva_status mn_marks_change(const minerva_hub *h, bool (*change)(json_t *marks, void *ctx),
                               void *ctx, minerva_error *err);

#endif

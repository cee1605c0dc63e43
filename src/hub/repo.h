/* The hub's HTTP interface as data: what its answers say about models and their files.
 *
 *     GET /api/models?search=...            a list, pages linked by the Link header
 *     GET /api/models/ID[/revision/REV]     one model: commit, licence, gate
 *     GET /api/models/ID/tree/REV           its files: size, Git name, SHA-256 of large ones
 *     GET /ID/resolve/REV/PATH              a file, mostly by a redirect elsewhere
 *
 * Everything here comes from the network: names are checked (mn_repo_safe_path,
 * mn_repo_safe_id), sizes bounded, unknown members ignored.
 */
#ifndef MN_HUB_REPO_H
#define MN_HUB_REPO_H

#include "base/arena.h"
#include "hub/digest.h"
#include "hub/transport.h"

#include <jansson.h>

/* One file of a model. */
typedef struct {
    const char *path;           /* "Q8_0/Model-00001-of-00002.gguf" */
    const char *name;           /* its last part */
    int64_t size_bytes;
    mn_digest_kind kind;
    char digest[MN_DIGEST_HEX];
} mn_repo_file;

typedef struct {
    mn_arena *arena;
    const char *id;             /* "org/name" */
    const char *commit;         /* 40 hex digits */
    const char *license;        /* "" if unknown */
    const char *gated;          /* "", "auto", "manual" */
    int64_t context;            /* 0: unknown */
    int64_t n_parameters;       /* 0: unknown */
    mn_repo_file *files;
    int64_t n_files, room;
    int64_t n_unsafe;           /* names that were left out */
} mn_repo;

/* No "..", nothing absolute, hidden, empty or longer than a file system takes, no control
 * characters or backslashes, valid UTF-8. */
bool mn_repo_safe_path(const char *path);
/* "name" or "org/name" of [A-Za-z0-9._-], no part beginning with '.' or '-'. */
bool mn_repo_safe_id(const char *id);
/* A revision: a branch, tag or commit. */
bool mn_repo_safe_revision(const char *rev);

/* The JSON answers.  `text` may be changed. */
minerva_status mn_repo_read_info(mn_repo *r, char *text, size_t len, minerva_error *err);
minerva_status mn_repo_read_tree(mn_repo *r, char *text, size_t len, minerva_error *err);
/* A page of a search as an array of {id, format, size..}; appended to `out`. */
minerva_status mn_repo_read_search(json_t *out, char *text, size_t len, minerva_error *err);

typedef struct {
    mn_transport *transport;
    const char *endpoint;
    bool has_token;
    const mn_patience *patience;
} mn_repo_client;

/* revision NULL: "main".  What the arena holds outlives the call. */
minerva_status mn_repo_fetch(const mn_repo_client *c, const char *id, const char *revision,
                             mn_arena *arena, mn_repo *out, minerva_error *err);
/* The README of a model, malloc()ed. */
minerva_status mn_repo_card(const mn_repo_client *c, const char *id, char **text,
                            minerva_error *err);
/* format: "gguf", "mlx" or NULL; next: "" or where the page before ended, filled with where
 * this one does ("" at the end). */
minerva_status mn_repo_search(const mn_repo_client *c, const char *text, const char *format,
                              int limit, char next[2048], json_t *out, minerva_error *err);
/* The address of a file, malloc()ed. */
char *mn_repo_file_url(const char *endpoint, const mn_repo *r, const char *path);

#endif

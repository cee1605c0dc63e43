/* Pulling a model: what to fetch, fetching it, letting it arrive.
 *
 *     home/models/.pull/org--name/gguf/...    parts and journals on their way
 *     home/models/.pull/org--name/dir/...     the same of a model directory
 *     home/models/org/name/...                what has arrived, with its .minerva.json
 *
 * (1) Nothing appears under home/models/org/name before all of it has been verified.  GGUF
 *     files are renamed into place, a split model's first part last; a directory comes in
 *     one renaming, an older one is exchanged for it.
 * (2) The commit is looked up once, so that all files are of one revision.  Files keep their
 *     parts across revisions as long as their digests are the same.
 * (3) Room on the disk is looked at before the first byte.
 * (4) One pull of a model at a time (flock on the staging folder's .lock).
 */
#include "base/status.h"
#include "format/quoted.h"
#include "hub/download.h"
#include "hub/origin.h"

#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const int64_t spare_disk_bytes = 32 << 20;

typedef struct {
    const minerva_hub *h;
    const minerva_pull_options *o;
    mn_arena arena;
    mn_model_spec spec;
    mn_transport *transport;
    mn_patience patience;
    mn_repo repo;
    const mn_variant *variant;
    const mn_repo_file **files; /* the variant's and the projector */
    bool *here;                 /* [n_files] */
    int64_t n_files, total_bytes;
    char why[600];
    const char *staging, *target;       /* folders */
    int lock;
    /* progress */
    int64_t n_file, before_bytes;       /* of files that are done */
    int64_t shown_ms, rate_ms[16], rate_bytes[16];
    int n_rates;
} pull;

/* ---- progress ---------------------------------------------------------------------- */

/* Rate over the last samples, about half a second apart. */
static double rate_of(pull *p, int64_t now, int64_t bytes)
{
    int last = (p->n_rates + 15) % 16;
    if (!p->n_rates || now - p->rate_ms[last] >= 500) {
        p->rate_ms[p->n_rates % 16] = now;
        p->rate_bytes[p->n_rates % 16] = bytes;
        p->n_rates++;
    }
    int oldest = p->n_rates > 16 ? p->n_rates % 16 : 0;
    int64_t ms = now - p->rate_ms[oldest], got = bytes - p->rate_bytes[oldest];
    return ms >= 400 && got > 0 ? (double)got * 1000 / (double)ms : 0;
}

static bool tell(void *ctx, int64_t bytes, const char *state)
{
    pull *p = ctx;
    int64_t now = mn_now_ms();
    if (!p->o || !p->o->progress) return true;
    if (p->shown_ms && now - p->shown_ms < 100 && bytes) return true;
    p->shown_ms = now;
    int64_t all = p->before_bytes + bytes;
    double rate = rate_of(p, now, all);
    minerva_pull_progress out = {
        .why = p->why, .state = state, .file = p->files[p->n_file]->path,
        .n_file = (int32_t)p->n_file + 1, .n_files = (int32_t)p->n_files, .bytes = all,
        .total_bytes = p->total_bytes, .bytes_per_s = rate,
        .seconds_left = rate > 0 ? (double)(p->total_bytes - all) / rate : -1,
    };
    return p->o->progress(p->o->ctx, &out);
}

static bool tell_check(void *ctx, int64_t bytes) { return tell(ctx, bytes, "checking"); }

/* ---- what to fetch ----------------------------------------------------------------- */

static minerva_status choose(pull *p, minerva_error *err)
{
    mn_choice c;
    mn_machine m = mn_hub_machine(p->h);
    mn_repo_client client = { p->transport, p->h->endpoint, p->h->token != NULL, &p->patience };
    minerva_status st = mn_repo_fetch(&client, p->spec.id, p->spec.revision, &p->arena, &p->repo,
                                      err);
    if (st == MINERVA_OK) st = mn_choice_list(&c, &p->repo, err);
    if (st == MINERVA_OK)
        st = mn_choice_pick(&c, &p->repo, p->spec.wanted, &m, &p->variant, p->why,
                            sizeof p->why, err);
    if (st != MINERVA_OK) return st;
    p->files = mn_arena_array(&p->arena, (size_t)p->variant->n_files + 1, sizeof *p->files);
    p->here = mn_arena_array(&p->arena, (size_t)p->variant->n_files + 1, sizeof *p->here);
    if (!p->files || !p->here) return mn_fail_memory(err, 1);
    for (int64_t i = 0; i < p->variant->n_files; i++)
        p->files[p->n_files++] = p->variant->files[i];
    if (c.projector && !p->variant->directory && !(p->o && p->o->no_projector))
        p->files[p->n_files++] = c.projector;
    for (int64_t i = 0; i < p->n_files; i++) p->total_bytes += p->files[i]->size_bytes;
    return MINERVA_OK;
}

static minerva_status name_folders(pull *p, minerva_error *err)
{
    const char *id = p->repo.id, *slash = strchr(id, '/');
    int org = slash ? (int)(slash - id) : 0;
    p->target = mn_arena_fmt(&p->arena, "%s/%s", p->h->models, id);
    p->staging = mn_arena_fmt(&p->arena, "%s/.pull/%.*s%s%s/%s", p->h->models, org, id,
                              slash ? "--" : "", slash ? slash + 1 : id,
                              p->variant->directory ? "dir" : "gguf");
    if (!p->target || !p->staging) return mn_fail_memory(err, 1);
    if (strlen(p->staging) > 1500)
        return mn_fail(err, MINERVA_INVALID, "%.200s...: the path is too long", p->staging);
    return MINERVA_OK;
}

/* Marks the files that have arrived earlier: all of them or none of a directory's.
 * Returns whether nothing is missing. */
static bool look_what_is_here(pull *p)
{
    json_t *origin = mn_origin_read(p->target);
    int64_t n = 0;
    for (int64_t i = 0; i < p->n_files; i++)
        n += p->here[i] = mn_origin_has(origin, p->target, p->files[i]);
    json_decref(origin);
    if (p->variant->directory && n < p->n_files) memset(p->here, 0, (size_t)p->n_files);
    return n == p->n_files;
}

/* ---- room and the lock ------------------------------------------------------------- */

static void in_folder(char out[PATH_MAX], const char *folder, const char *name)
{
    snprintf(out, PATH_MAX, "%.2000s/%.2000s", folder, name);
}

static minerva_status check_disk(const pull *p, minerva_error *err)
{
    char path[PATH_MAX];
    struct statvfs disk;
    int64_t need = 0;
    if (statvfs(p->h->models, &disk)) return MINERVA_OK;        /* writing will tell */
    for (int64_t i = 0; i < p->n_files; i++) {
        in_folder(path, p->staging, p->files[i]->path);
        int64_t there = p->here[i] ? p->files[i]->size_bytes : mn_part_on_disk(path);
        if (there < p->files[i]->size_bytes) need += p->files[i]->size_bytes - there;
    }
    double free_bytes = (double)disk.f_bavail * (double)disk.f_frsize;
    if (need == 0 || (double)need + (double)spare_disk_bytes <= free_bytes) return MINERVA_OK;
    return mn_fail(err, MINERVA_FULL, "%s: %.1f GB more are needed in %s, %.1f GB are free",
                   p->repo.id, (double)need / 1e9, p->h->models, free_bytes / 1e9);
}

static minerva_status take_lock(pull *p, minerva_error *err)
{
    char path[PATH_MAX];
    struct stat mine, named;
    minerva_status st = mn_make_folders(p->staging, err);
    if (st != MINERVA_OK) return st;
    snprintf(path, sizeof path, "%.2000s.lock", p->staging);
    p->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (p->lock < 0) return mn_fail(err, MINERVA_IO, "%s: %s", path, strerror(errno));
    /* The file may have been removed by a pull that ended between our opening and locking. */
    if (!flock(p->lock, LOCK_EX | LOCK_NB) && !fstat(p->lock, &mine) && !stat(path, &named)
        && mine.st_ino == named.st_ino)
        return MINERVA_OK;
    return mn_fail(err, MINERVA_IO, "%s: another pull of it is running", p->repo.id);
}

/* ---- fetching ---------------------------------------------------------------------- */

static minerva_status folder_of(const char *path, minerva_error *err)
{
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = 0;
    return mn_make_folders(folder, err);
}

static minerva_status fetch_one(pull *p, const mn_repo_file *f, minerva_error *err)
{
    char path[PATH_MAX];
    mn_part part;
    in_folder(path, p->staging, f->path);
    minerva_status st = folder_of(path, err);
    if (st != MINERVA_OK) return st;
    st = mn_part_open(&part, path, f->size_bytes, p->h->o.chunk_bytes, f->kind, f->digest,
                      tell_check, p, err);
    if (st != MINERVA_OK) return st;
    char *url = mn_repo_file_url(p->h->endpoint, &p->repo, f->path);
    mn_download d = { .transport = p->transport, .url = url, .what = p->repo.id,
                      .has_token = p->h->token != NULL, .connections = p->h->o.connections,
                      .retries = p->h->o.retries, .backoff_ms = p->h->o.backoff_ms,
                      .progress = tell, .ctx = p };
    st = url ? mn_download_run(&d, &part, err) : mn_fail_memory(err, 1);
    free(url);
    mn_part_close(&part);
    return st;
}

static minerva_status fetch_all(pull *p, minerva_error *err)
{
    for (p->n_file = 0; p->n_file < p->n_files; p->n_file++) {
        minerva_status st = p->here[p->n_file] ? MINERVA_OK
                                               : fetch_one(p, p->files[p->n_file], err);
        if (st != MINERVA_OK) return st;
        p->before_bytes += p->files[p->n_file]->size_bytes;
    }
    p->n_file = p->n_files - 1;
    return MINERVA_OK;
}

/* ---- arriving ---------------------------------------------------------------------- */

static void drop_journals(const pull *p)
{
    char path[PATH_MAX];
    for (int64_t i = 0; i < p->n_files; i++) {
        snprintf(path, sizeof path, "%.2000s/%.2000s.journal", p->staging, p->files[i]->path);
        unlink(path);
    }
}

/* The record is written before the files come, so that a pull killed in between knows what
 * has arrived; older files of the same names go first, as it is no longer true of them. */
static minerva_status arrive_files(pull *p, minerva_error *err)
{
    char from[PATH_MAX], to[PATH_MAX];
    minerva_status st = mn_make_folders(p->target, err);
    for (int64_t i = 0; i < p->n_files; i++) {
        in_folder(to, p->target, p->files[i]->path);
        if (!p->here[i]) unlink(to);
    }
    if (st == MINERVA_OK)
        st = mn_origin_note(p->target, &p->repo, p->h->endpoint, p->files, p->n_files, err);
    for (int64_t i = p->n_files - 1; i >= 0 && st == MINERVA_OK; i--) {
        if (p->here[i]) continue;
        in_folder(from, p->staging, p->files[i]->path);
        in_folder(to, p->target, p->files[i]->path);
        st = folder_of(to, err);
        if (st == MINERVA_OK && rename(from, to))
            st = mn_fail(err, MINERVA_IO, "%s: %s", to, strerror(errno));
    }
    return st;
}

/* GGUF files that lie in the old directory are kept: they get a second name in the new. */
static void keep_others(const char *old, const char *new_folder)
{
    char from[PATH_MAX], to[PATH_MAX];
    DIR *d = opendir(old);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (!mn_ends_with(e->d_name, ".gguf")) continue;
        in_folder(from, old, e->d_name);
        in_folder(to, new_folder, e->d_name);
        if (link(from, to)) continue;   /* one of that name came with the new one */
    }
    if (d) closedir(d);
}

static minerva_status arrive_directory(pull *p, minerva_error *err)
{
    minerva_status st = folder_of(p->target, err);
    drop_journals(p);
    if (st == MINERVA_OK)
        st = mn_origin_note(p->staging, &p->repo, p->h->endpoint, p->files, p->n_files, err);
    if (st != MINERVA_OK) return st;
    keep_others(p->target, p->staging);
    if (!renameat2(AT_FDCWD, p->staging, AT_FDCWD, p->target, RENAME_NOREPLACE))
        return MINERVA_OK;
    if (!renameat2(AT_FDCWD, p->staging, AT_FDCWD, p->target, RENAME_EXCHANGE)) {
        mn_remove_tree(p->staging);
        return MINERVA_OK;
    }
    return mn_fail(err, MINERVA_IO, "%s: %s", p->target, strerror(errno));
}

/* Removes `path` below the model folder and the folders above it that are empty then. */
static void remove_empty(const pull *p, char *path)
{
    size_t stop = strlen(p->h->models);
    while (strlen(path) > stop && !rmdir(path)) *strrchr(path, '/') = 0;
}

static minerva_status arrive(pull *p, minerva_error *err)
{
    char path[PATH_MAX];
    minerva_status st = p->variant->directory ? arrive_directory(p, err) : arrive_files(p, err);
    if (st != MINERVA_OK) return st;
    if (!p->variant->directory) drop_journals(p);
    snprintf(path, sizeof path, "%.2000s.lock", p->staging);
    unlink(path);
    for (int64_t i = 0; i < p->n_files; i++) {  /* other quantisations' parts stay */
        in_folder(path, p->staging, p->files[i]->path);
        *strrchr(path, '/') = 0;
        remove_empty(p, path);
    }
    snprintf(path, sizeof path, "%.2000s", p->staging);
    remove_empty(p, path);
    *strrchr(path, '/') = 0;
    remove_empty(p, path);
    return MINERVA_OK;
}

/* ---- together ---------------------------------------------------------------------- */

static minerva_status result(const pull *p, const char *state, char **json, minerva_error *err)
{
    const mn_variant *v = p->variant;
    json_t *files = json_array();
    for (int64_t i = 0; i < p->n_files; i++)
        json_array_append_new(files, json_string(p->files[i]->path));
    const char *name = v->directory ? p->repo.id : NULL;
    char full[300], path[PATH_MAX];
    snprintf(full, sizeof full, "%s:%s", p->repo.id, v->label);
    in_folder(path, p->target, v->directory ? "" : v->files[0]->path);
    if (v->directory) path[strlen(path) - 1] = 0;
    return mn_json_text(json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:o, s:s, s:s}", "name",
        name ? name : full, "path", path, "id", p->repo.id, "commit", p->repo.commit, "license",
        p->repo.license, "label", v->label, "size_bytes", (json_int_t)p->total_bytes, "files",
        files, "why", p->why, "state", state), json, err);
}

static minerva_status run(pull *p, const char *name, char **json, minerva_error *err)
{
    minerva_status st = mn_hub_parse_spec(p->h, name, &p->arena, &p->spec, err);
    if (st == MINERVA_OK) st = mn_hub_connect(p->h, &p->transport, err);
    if (st == MINERVA_OK) st = choose(p, err);
    if (st == MINERVA_OK) st = name_folders(p, err);
    if (st != MINERVA_OK) return st;
    if (look_what_is_here(p)) return result(p, "here", json, err);
    if (p->o && p->o->plan_only) return result(p, "planned", json, err);
    st = mn_make_folders(p->h->models, err);
    if (st == MINERVA_OK) st = check_disk(p, err);
    if (st == MINERVA_OK) st = take_lock(p, err);
    if (st == MINERVA_OK) st = fetch_all(p, err);
    if (st == MINERVA_OK) st = arrive(p, err);
    return st == MINERVA_OK ? result(p, "pulled", json, err) : st;
}

minerva_status minerva_hub_pull(minerva_hub *h, const char *name, const minerva_pull_options *o,
                                char **json, minerva_error *err)
{
    pull *p = calloc(1, sizeof *p);
    if (!p) return mn_fail_memory(err, sizeof *p);
    p->h = h;
    p->o = o;
    p->lock = -1;
    p->patience = (mn_patience){ .retries = h->o.retries, .backoff_ms = h->o.backoff_ms };
    minerva_status st = run(p, name, json, err);
    if (p->lock >= 0) close(p->lock);
    mn_transport_free(p->transport);
    mn_arena_clear(&p->arena);
    free(p);
    return st;
}

/* Plans: every golden model binds, and no tensor of its file is left over. */
#include "base/status.h"
#include "model/plan.h"
#include "tests/check.h"

#include <dirent.h>

/* Tensors that may lie unused: tables that a plan folds in, and heads for speculation. */
static bool may_be_unused(const char *name)
{
    return strstr(name, "rotary_emb.inv_freq") || strstr(name, ".nextn.");
}

static int bind_one(const char *path)
{
    minerva_error err = { 0 };
    mn_model_source *s = NULL;
    mn_plan *p = NULL;
    int bad = 0;
    if (mn_source_open(&s, path, NULL, &err) || mn_plan_create(&p, s, &err)) {
        print_error("%s: %s\n", path, err.message);
        mn_source_close(s);
        return 1;
    }
    for (int32_t i = 0; i < p->n_unused; i++) {
        if (may_be_unused(p->unused[i])) continue;
        print_error("%s: %s is bound by nobody\n", path, p->unused[i]);
        bad = 1;
    }
    if (mn_plan_n_parameters(p) <= 0 || mn_plan_bytes_per_token(p) == 0) bad = 1;
    mn_plan_free(p);
    mn_source_close(s);
    return bad;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Entries of a directory that end in `suffix`, sorted; the caller frees them. */
static int list_dir(const char *path, const char *suffix, char **out, int max)
{
    int n = 0;
    DIR *d = opendir(path);
    for (struct dirent *e; d && n < max && (e = readdir(d));) {
        size_t len = strlen(e->d_name), tail = strlen(suffix);
        if (*e->d_name == '.' || len < tail || strcmp(e->d_name + len - tail, suffix)) continue;
        out[n++] = strdup(e->d_name);
    }
    if (d) closedir(d);
    qsort(out, (size_t)n, sizeof *out, by_name);
    return n;
}

/* Types that GGUF files may hold and that we do not read. */
static bool exotic(const char *name) { return strstr(name, "Q1_0") || strstr(name, "Q2_0"); }

static void every_golden_model_binds_all_its_tensors(void **state)
{
    NEED_SHARED();
    char *names[64], *files[64], path[512];
    int bad = 0, total = 0, n = list_dir(shared("golden/models"), "", names, 64);
    const char *only = getenv("MINERVA_TEST_ONLY");
    for (int i = 0; i < n; i++) {
        if (!only || strstr(names[i], only)) {
            snprintf(path, sizeof path, "golden/models/%s/hf", names[i]);
            bad += bind_one(shared(path));
            total++;
            snprintf(path, sizeof path, "golden/models/%s/gguf", names[i]);
            int m = list_dir(shared(path), ".gguf", files, 64);
            for (int k = 0; k < m; k++) {
                snprintf(path, sizeof path, "golden/models/%s/gguf/%s", names[i], files[k]);
                if (!exotic(files[k])) {
                    bad += bind_one(shared(path));
                    total++;
                }
                free(files[k]);
            }
        }
        free(names[i]);
    }
    n = list_dir(shared("golden/mlx"), "", names, 64);
    for (int i = 0; i < n; i++) {
        if (!strstr(names[i], ".golden.") && (!only || strstr(names[i], only))) {
            snprintf(path, sizeof path, "golden/mlx/%s", names[i]);
            bad += bind_one(shared(path));
            total++;
        }
        free(names[i]);
    }
    if (bad) fail_msg("%d of %d models", bad, total);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_golden_model_binds_all_its_tensors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What comes from the network and from other programs' folders as JSON: the hub's answers
 * (a model, its files, a search), Ollama's manifests; then the choice of files among what
 * was read.  The first byte says which: i, t, s, o. */
#include "hub/catalogue.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void choose(mn_repo *r)
{
    static const mn_machine machine = { 1000000000, 1e10 };
    mn_choice c;
    const mn_variant *v;
    char why[600];
    minerva_error err = { 0 };
    for (int64_t i = 0; i < r->n_files; i++)
        if (!mn_repo_safe_path(r->files[i].path)) __builtin_trap();
    if (mn_choice_list(&c, r, &err) != MINERVA_OK) return;
    if (mn_choice_pick(&c, r, NULL, &machine, &v, why, sizeof why, &err) != MINERVA_OK) {
        if (!err.message[0]) __builtin_trap();
        return;
    }
    for (int64_t i = 0; i < v->n_files; i++)
        if (mn_ends_with(v->files[i]->name, ".py") || mn_ends_with(v->files[i]->name, ".bin"))
            __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mn_arena arena = { 0 };
    mn_repo r = { .arena = &arena, .id = "org/name" };
    mn_ollama_model m;
    if (size < 1) return 0;
    char *text = malloc(size);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = 0;
    switch (data[0]) {
    case 'i':
        mn_repo_read_info(&r, text, size - 1, NULL);
        break;
    case 't':
        if (mn_repo_read_tree(&r, text, size - 1, NULL) == MINERVA_OK) choose(&r);
        break;
    case 's': {
        json_t *out = json_array();
        mn_repo_read_search(out, text, size - 1, NULL);
        json_decref(out);
        break;
    }
    default:
        if (mn_ollama_read_manifest(&m, text, size - 1) && strchr(m.model, '/')) __builtin_trap();
    }
    free(text);
    mn_arena_clear(&arena);
    return 0;
}

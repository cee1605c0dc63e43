/* From the environment to a hub: addresses, tokens, proxies, and where other programs keep
 * their models. */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *env(const char *name)
{
    const char *s = getenv(name);
    return s && *s ? s : NULL;
}

static const char *first_of(const char *a, const char *b)
{
    const char *s = env(a);
    return s ? s : env(b);
}

enum { MAX_PLACES = 16, PLACE_LENGTH = 2000 };
typedef struct {
    minerva_place list[MAX_PLACES];
    size_t n;
    char text[MAX_PLACES][PLACE_LENGTH + 64];
} places;

static void add_place(places *p, minerva_place_kind kind, const char *a, const char *b)
{
    if (!a || p->n == MAX_PLACES) return;
    snprintf(p->text[p->n], sizeof p->text[0], "%s%s", a, b);
    p->list[p->n] = (minerva_place){ kind, p->text[p->n] };
    p->n++;
}

static void add_places(places *p, const cli_list *folders)
{
    char cache[PLACE_LENGTH];
    const char *home = env("HOME"), *xdg = env("XDG_CACHE_HOME");
    snprintf(cache, sizeof cache, "%s%s", xdg ? xdg : home ? home : "", xdg ? "" : "/.cache");
    for (size_t i = 0; folders && i < folders->n; i++)
        add_place(p, MINERVA_PLACE_FOLDER, folders->items[i], "");
    if (env("HF_HUB_CACHE")) add_place(p, MINERVA_PLACE_HF_CACHE, env("HF_HUB_CACHE"), "");
    else if (env("HF_HOME")) add_place(p, MINERVA_PLACE_HF_CACHE, env("HF_HOME"), "/hub");
    else add_place(p, MINERVA_PLACE_HF_CACHE, cache, "/huggingface/hub");
    add_place(p, MINERVA_PLACE_LM_STUDIO, home, "/.lmstudio/models");
    add_place(p, MINERVA_PLACE_LM_STUDIO, cache, "/lm-studio/models");
    if (env("OLLAMA_MODELS")) add_place(p, MINERVA_PLACE_OLLAMA, env("OLLAMA_MODELS"), "");
    else add_place(p, MINERVA_PLACE_OLLAMA, home, "/.ollama/models");
    add_place(p, MINERVA_PLACE_OLLAMA, "/usr/share/ollama/.ollama/models", "");
    if (env("LLAMA_CACHE")) add_place(p, MINERVA_PLACE_LLAMA_CPP, env("LLAMA_CACHE"), "");
    else add_place(p, MINERVA_PLACE_LLAMA_CPP, cache, "/llama.cpp");
}

minerva_hub *cli_hub(const cli_list *folders, minerva_error *err)
{
    places *p = calloc(1, sizeof *p);
    char bundled[4096];
    minerva_hub *hub = NULL;
    if (!p) return NULL;
    add_places(p, folders);
    const char *endpoint = env("HF_ENDPOINT");
    bool plain = endpoint && !strncmp(endpoint, "http:", 5);
    const char *proxy = plain ? env("http_proxy") : first_of("https_proxy", "HTTPS_PROXY");
    minerva_hub_options o = {
        .home = cli_home(), .places = p->list, .n_places = p->n,
        .bundled = cli_find_bundled(bundled) ? bundled : NULL, .endpoint = endpoint,
        .token = first_of("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"),
        .proxy = proxy ? proxy : first_of("all_proxy", "ALL_PROXY"),
        .no_proxy = first_of("no_proxy", "NO_PROXY"),
        .ca_file = first_of("CURL_CA_BUNDLE", "SSL_CERT_FILE"),
    };
    if (minerva_hub_create(&hub, &o, err) != MINERVA_OK) hub = NULL;
    free(p);
    return hub;
}

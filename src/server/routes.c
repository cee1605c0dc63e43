/* The route table, and what every request must pass before its handler sees it.
 *
 * In this order: the Host header is one of ours (DNS rebinding), a browser's Origin is
 * allowed, the path is known, the method fits, the key is right, the body says it is JSON.
 * calls.c goes on from there.
 * Keys are compared as SHA-256 digests in constant time.
 */
#include "server/params.h"
#include "server/server.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT (MN_ROUTE_JSON | MN_ROUTE_MODEL)
const mn_route_spec mn_routes[] = {
    { "GET",  "/", MN_ROUTE_OPEN, 0, NULL, mn_api_web_page, "The web page" },
    { "GET",  "/health", MN_ROUTE_OPEN, 0, NULL, mn_api_health, "Is the process alive?" },
    { "GET",  "/ready", MN_ROUTE_OPEN, 0, NULL, mn_api_ready, "Does it take new work?" },
    { "GET",  "/metrics", 0, 0, NULL, mn_api_metrics, "Counters for Prometheus" },
    { "GET",  "/openapi.json", 0, 0, NULL, mn_api_openapi, "This document" },
    { "GET",  "/v1/models", 0, 0, NULL, mn_api_models, "The models served, loaded or not" },
    { "GET",  "/v1/models/{id}", MN_ROUTE_PREFIX, 0, NULL, mn_api_model, "One of them" },
    { "POST", "/v1/chat/completions", TEXT, MN_FOR_CHAT, mn_prepare_chat, mn_api_generate,
      "The next message of a conversation" },
    { "POST", "/v1/completions", TEXT, MN_FOR_COMPLETIONS,
      mn_prepare_completion, mn_api_generate,
      "The continuation of a text" },
    { "POST", "/v1/responses", TEXT, MN_FOR_RESPONSES, mn_prepare_response, mn_api_generate,
      "The next message of a conversation that is kept here" },
    { "GET",  "/v1/responses/{id}", MN_ROUTE_PREFIX, 0, NULL, mn_api_response_get,
      "A stored response; /input_items behind it: what it answered" },
    { "DELETE", "/v1/responses/{id}", MN_ROUTE_PREFIX, 0, NULL, mn_api_response_delete,
      "Forget a stored response" },
    { "POST", "/v1/messages", TEXT, MN_FOR_MESSAGES, mn_prepare_message, mn_api_generate,
      "The next message of a conversation, Anthropic's API" },
    { "POST", "/v1/messages/count_tokens", TEXT, MN_FOR_COUNT_TOKENS, mn_prepare_count_tokens,
      NULL, "How many tokens a conversation is" },
    { "POST", "/v1/embeddings", TEXT, MN_FOR_EMBEDDINGS, mn_prepare_embeddings, mn_api_embeddings,
      "Vectors of texts" },
    { "POST", "/v1/rerank", TEXT, MN_FOR_RERANK, mn_prepare_rerank, mn_api_embeddings,
      "Documents, those nearest to a query first" },
    { "POST", "/rerank", TEXT, MN_FOR_RERANK, mn_prepare_rerank, mn_api_embeddings,
      "The same as /v1/rerank" },
    { "POST", "/tokenize", TEXT, MN_FOR_TOKENIZE, mn_prepare_tokenize, NULL,
      "Text to token ids" },
    { "POST", "/detokenize", TEXT, MN_FOR_DETOKENIZE, mn_prepare_detokenize, NULL,
      "Token ids to text" },
    { "POST", "/apply-template", TEXT, MN_FOR_TEMPLATE, mn_prepare_template, NULL,
      "The prompt that a conversation becomes" },
    { "POST", "/api/chat", TEXT, MN_FOR_OLLAMA_CHAT, mn_prepare_ollama_chat, mn_api_ollama,
      "The next message of a conversation, Ollama's API" },
    { "POST", "/api/generate", TEXT, MN_FOR_OLLAMA_GENERATE, mn_prepare_ollama_generate,
      mn_api_ollama, "The answer to a prompt, Ollama's API" },
    { "POST", "/api/embed", TEXT, MN_FOR_OLLAMA_EMBED, mn_prepare_ollama_embed, mn_api_embeddings,
      "Vectors of texts, Ollama's API" },
    { "POST", "/api/embeddings", TEXT, MN_FOR_OLLAMA_EMBED, mn_prepare_ollama_embed, mn_api_embeddings,
      "The vector of a prompt, Ollama's older API" },
    { "GET",  "/api/tags", 0, 0, NULL, mn_api_ollama_tags, "The models served, Ollama's API" },
    { "POST", "/api/show", TEXT, MN_FOR_OLLAMA_SHOW, mn_prepare_ollama_show, NULL,
      "About a model, Ollama's API" },
    { "GET",  "/api/ps", 0, 0, NULL, mn_api_ollama_ps, "The models loaded, Ollama's API" },
    { "GET",  "/api/version", 0, 0, NULL, mn_api_ollama_version, "The version" },
    { "POST", "/api/pull", MN_ROUTE_JSON, MN_FOR_OLLAMA_PULL, NULL, mn_api_ollama_refused,
      "Refused: models are not downloaded through the server" },
    { "POST", "/api/push", MN_ROUTE_JSON, MN_FOR_OLLAMA_PULL, NULL, mn_api_ollama_refused, "Refused" },
    { "POST", "/api/create", MN_ROUTE_JSON, MN_FOR_OLLAMA_PULL, NULL, mn_api_ollama_refused, "Refused" },
    { "POST", "/api/copy", MN_ROUTE_JSON, MN_FOR_OLLAMA_PULL, NULL, mn_api_ollama_refused, "Refused" },
    { "DELETE", "/api/delete", 0, 0, NULL, mn_api_ollama_refused, "Refused" },
    { "GET",  "/api/chats", 0, 0, NULL, mn_api_chats_list,
      "Conversations; ?q= searches them" },
    { "POST", "/api/chats", MN_ROUTE_JSON, MN_FOR_CHATS, NULL, mn_api_chats_add,
      "Keep a new conversation" },
    { "GET",  "/api/chats/export", 0, 0, NULL, mn_api_chats_export, "All conversations" },
    { "POST", "/api/chats/import", MN_ROUTE_JSON, MN_FOR_CHATS_IMPORT, NULL,
      mn_api_chats_import, "Add exported conversations" },
    { "GET",  "/api/chats/{id}", MN_ROUTE_PREFIX, 0, NULL, mn_api_chat_get,
      "A conversation with its messages" },
    { "POST", "/api/chats/{id}", MN_ROUTE_PREFIX | MN_ROUTE_JSON, MN_FOR_CHATS, NULL,
      mn_api_chat_put, "Change it: absent members stay, messages are put by id" },
    { "DELETE", "/api/chats/{id}", MN_ROUTE_PREFIX, 0, NULL, mn_api_chat_delete,
      "Forget a conversation" },
    { "GET",  "/api/models", 0, 0, NULL, mn_admin_list, "Models, their state, and memory" },
    { "POST", "/api/models/load", MN_ROUTE_JSON, MN_FOR_MODEL_LOAD, NULL, mn_admin_load,
      "Load a model now" },
    { "POST", "/api/models/unload", MN_ROUTE_JSON, MN_FOR_MODEL_UNLOAD, NULL, mn_admin_unload,
      "Unload a model when its answers are done" },
    { "POST", "/api/models/fit", MN_ROUTE_JSON, MN_FOR_MODEL_UNLOAD, NULL, mn_admin_fit,
      "What a model would need, and whether it fits" },
};
const size_t mn_n_routes = sizeof mn_routes / sizeof *mn_routes;

/* ---- Host and Origin --------------------------------------------------------------- */

/* The name in "name:port" or "[address]:port"; false if it is neither. */
static bool split_host(const char *host, char name[256])
{
    const char *colon;
    size_t n;
    if (host[0] == '[') {
        const char *end = strchr(host, ']');
        if (!end) return false;
        n = (size_t)(end - host) + 1;
        colon = end[1] == ':' ? end + 1 : NULL;
        if (end[1] && !colon) return false;
    } else {
        colon = strchr(host, ':');
        n = colon ? (size_t)(colon - host) : strlen(host);
    }
    if (colon && (!colon[1] || strspn(colon + 1, "0123456789") != strlen(colon + 1)
                  || strlen(colon + 1) > 5)) return false;
    if (n == 0 || n > 255) return false;
    memcpy(name, host, n);
    name[n] = 0;
    return true;
}

static bool host_allowed(const mn_server *s, const char *host)
{
    static const char *const ours[] = { "localhost", "127.0.0.1", "[::1]" };
    char name[256];
    if (!host || !split_host(host, name)) return false;
    for (size_t i = 0; i < 3; i++)
        if (!strcasecmp(name, ours[i])) return true;
    if (s->o->host && !strcasecmp(name, s->o->host)) return true;
    for (size_t i = 0; i < s->o->n_hosts; i++)
        if (!strcasecmp(name, s->o->hosts[i])) return true;
    return false;
}

/* No Origin: no browser.  Our own page: http://HOST (https with TLS) as in Host. */
static bool origin_allowed(const mn_server *s, const char *origin, const char *host)
{
    if (!origin) return true;
    const char *own = s->o->tls_cert ? "https://" : "http://";
    if (!strncmp(origin, own, strlen(own)) && !strcmp(origin + strlen(own), host)) return true;
    for (size_t i = 0; i < s->o->n_origins; i++)
        if (!strcmp(origin, s->o->origins[i])) return true;
    return false;
}

/* ---- keys -------------------------------------------------------------------------- */

/* The tenant's name if the request carries a right key; NULL otherwise. */
static const char *authenticate(const mn_server *s, const mn_http_request *r)
{
    if (!s->n_keys) return "";
    const char *bearer = mn_http_header_get(r, "authorization");
    const char *secret = mn_http_header_get(r, "x-api-key");
    if (bearer && !strncasecmp(bearer, "Bearer ", 7)) secret = bearer + 7;
    if (!secret) return NULL;
    unsigned char digest[32];
    SHA256((const unsigned char *)secret, strlen(secret), digest);
    const char *tenant = NULL;
    for (size_t i = 0; i < s->n_keys; i++)
        if (!CRYPTO_memcmp(digest, s->keys[i].digest, 32)) tenant = s->keys[i].name;
    return tenant;
}

/* ---- routing ----------------------------------------------------------------------- */

static bool path_fits(const mn_route_spec *route, const char *path)
{
    size_t n = strcspn(route->path, "{");
    return route->flags & MN_ROUTE_PREFIX ? !strncmp(path, route->path, n) && path[n]
                                          : !strcmp(path, route->path);
}

static const mn_route_spec *find_route(const mn_http_request *r, bool *path_known)
{
    bool head = !strcmp(r->method, "HEAD");
    *path_known = false;
    for (size_t i = 0; i < mn_n_routes; i++) {
        if (!path_fits(&mn_routes[i], r->path)) continue;
        *path_known = true;
        if (!strcmp(mn_routes[i].method, head ? "GET" : r->method)) return &mn_routes[i];
    }
    return NULL;
}

static bool is_json(const char *content_type)
{
    static const char json[] = "application/json";
    size_t n = sizeof json - 1;
    return content_type && !strncasecmp(content_type, json, n)
           && (!content_type[n] || content_type[n] == ';' || content_type[n] == ' ');
}

/* What a browser asks before it sends a request from an allowed page. */
static void answer_preflight(mn_http_request *r, const char *origin)
{
    r->origin = origin;
    mn_http_respond(r, 204, NULL, "Access-Control-Allow-Methods: GET, POST, DELETE\r\n"
        "Access-Control-Allow-Headers: Authorization, Content-Type, X-Api-Key\r\n"
        "Access-Control-Max-Age: 600\r\n", "", 0);
    mn_http_request_free(r);
}

void mn_route(void *ctx, mn_http_request *r)
{
    mn_server *s = ctx;
    const char *host = mn_http_header_get(r, "host");
    const char *origin = mn_http_header_get(r, "origin");
    bool known;
    s->n_requests++;
    if (!host_allowed(s, host)) {
        mn_answer_error(r, 421, NULL, "Host: a name of this server expected, \"%.100s\" found",
                        host ? host : "");
        return;
    }
    if (!origin_allowed(s, origin, host)) {
        mn_answer_error(r, 403, NULL, "Origin: \"%.100s\" is not allowed", origin);
        return;
    }
    if (origin && !strcmp(r->method, "OPTIONS")) {
        answer_preflight(r, origin);
        return;
    }
    r->origin = origin;
    const mn_route_spec *route = find_route(r, &known);
    const char *tenant = authenticate(s, r);
    if (!tenant && !(route && route->flags & MN_ROUTE_OPEN)) {
        mn_answer_error(r, 401, NULL, "a valid API key expected (Authorization: Bearer ...)");
        return;
    }
    if (!route) {
        if (known) mn_answer_error(r, 405, NULL, "%s: another method expected, %s found", r->path,
                                   r->method);
        else mn_answer_error(r, 404, NULL, "no such path: %.200s", r->path);
        return;
    }
    if (route->flags & MN_ROUTE_JSON && !is_json(mn_http_header_get(r, "content-type"))) {
        mn_answer_error(r, 415, NULL, "Content-Type: application/json expected");
        return;
    }
    mn_call_start(s, r, route, tenant ? tenant : "");
}

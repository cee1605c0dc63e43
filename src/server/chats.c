/* /api/chats: the web page's conversations, kept by the server; see chat_store.h. */
#include "server/chat_store.h"
#include "server/server.h"

#include <stdlib.h>
#include <string.h>

static mn_chat_store *store_of(mn_call *c)
{
    if (!c->server->chats)
        mn_answer_error(c->http, 503, NULL, "this server keeps no chats: %s", c->server->chats_why);
    return c->server->chats;
}

/* The parameter's value; false: it is malformed.  Absent: "". */
static bool query_value(const char *query, const char *name, char *out, size_t size)
{
    size_t n = strlen(name);
    out[0] = 0;
    while (*query) {
        size_t len = strcspn(query, "&");
        if (len > n && !strncmp(query, name, n) && query[n] == '=') {
            char *text = strndup(query + n + 1, len - n - 1);
            for (char *p = text; p && *p; p++)
                if (*p == '+') *p = ' ';
            bool good = text && mn_percent_decode(text, out, size);
            free(text);
            return good;
        }
        query += len + (query[len] != 0);
    }
    return true;
}

void mn_api_chats_list(mn_call *c)
{
    enum { MOST = 500 };
    mn_chat_store *s = store_of(c);
    char text[1000], before[32], limit[32];
    minerva_error err = { 0 };
    json_t *list;
    if (!s) return;
    const char *query = c->http->query;
    if (!query_value(query, "q", text, sizeof text) || !query_value(query, "before", before, sizeof before)
        || !query_value(query, "limit", limit, sizeof limit)) {
        mn_answer_error(c->http, 400, "q", "q, before, limit: values with %%XX escapes expected");
        return;
    }
    char *end_before, *end_limit;
    long long before_ms = strtoll(before, &end_before, 10), most = *limit ? strtoll(limit, &end_limit, 10) : MOST;
    if (*end_before || before_ms < 0) {
        mn_answer_error(c->http, 400, "before", "before: milliseconds since 1970 expected");
        return;
    }
    if (*limit && (*end_limit || most < 1 || most > MOST)) {
        mn_answer_error(c->http, 400, "limit", "limit: 1 to %d expected", MOST);
        return;
    }
    if (mn_chat_store_list(s, c->tenant, text, before_ms, (int)most, &list, &err) != MINERVA_OK)
        mn_answer_failure(c->http, NULL, &err);
    else mn_answer_json(c->http, 200, json_pack("{s:o}", "chats", list));
}

static const char *id_of(const mn_call *c) { return c->http->path + strlen("/api/chats/"); }

void mn_api_chat_get(mn_call *c)
{
    mn_chat_store *s = store_of(c);
    minerva_error err = { 0 };
    json_t *chat;
    if (!s) return;
    if (mn_chat_store_get(s, c->tenant, id_of(c), &chat, &err) == MINERVA_OK) mn_answer_json(c->http, 200, chat);
    else mn_answer_failure(c->http, NULL, &err);
}

static void put(mn_call *c, const char *id)
{
    mn_chat_store *s = store_of(c);
    minerva_error err = { 0 };
    char made[33];
    if (!s) return;
    if (mn_chat_store_put(s, c->tenant, id, c->body, made, &err) != MINERVA_OK)
        mn_answer_failure(c->http, NULL, &err);
    else mn_answer_json(c->http, id ? 200 : 201, json_pack("{s:s}", "id", id ? id : made));
}

void mn_api_chats_add(mn_call *c) { put(c, NULL); }
void mn_api_chat_put(mn_call *c) { put(c, id_of(c)); }

void mn_api_chat_delete(mn_call *c)
{
    mn_chat_store *s = store_of(c);
    minerva_error err = { 0 };
    if (!s) return;
    if (mn_chat_store_delete(s, c->tenant, id_of(c), &err) == MINERVA_OK)
        mn_answer_json(c->http, 200, json_pack("{s:s, s:b}", "id", id_of(c), "deleted", 1));
    else mn_answer_failure(c->http, NULL, &err);
}

void mn_api_chats_export(mn_call *c)
{
    mn_chat_store *s = store_of(c);
    minerva_error err = { 0 };
    json_t *all;
    if (!s) return;
    if (mn_chat_store_export(s, c->tenant, &all, &err) == MINERVA_OK) mn_answer_json(c->http, 200, all);
    else mn_answer_failure(c->http, NULL, &err);
}

void mn_api_chats_import(mn_call *c)
{
    mn_chat_store *s = store_of(c);
    minerva_error err = { 0 };
    int n;
    if (!s) return;
    if (mn_chat_store_import(s, c->tenant, json_object_get(c->body, "chats"), &n, &err) == MINERVA_OK)
        mn_answer_json(c->http, 200, json_pack("{s:i}", "imported", n));
    else mn_answer_failure(c->http, "chats", &err);
}

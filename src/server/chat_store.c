/* Conversations on disk; see chat_store.h.
 *
 * Two tables and an index: `chat`, `message` (the JSON text, in the order of arrival), and
 * `said`, FTS5 over the messages' contents, whose rows have the messages' row numbers.
 */
#include "server/chat_store.h"
#include "base/buffer.h"
#include "base/status.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

enum { VERSION = 1, MAX_ID = 64, MAX_TITLE = 500 };

struct mn_chat_store { sqlite3 *db; };

static const char tables[] =
    "CREATE TABLE chat(id TEXT PRIMARY KEY, tenant TEXT NOT NULL, title TEXT NOT NULL,"
    " options TEXT NOT NULL, leaf TEXT, created INTEGER NOT NULL, updated INTEGER NOT NULL);"
    "CREATE INDEX chat_by_time ON chat(tenant, updated);"
    "CREATE TABLE message(n INTEGER PRIMARY KEY, chat TEXT NOT NULL REFERENCES chat ON DELETE"
    " CASCADE, id TEXT NOT NULL, body TEXT NOT NULL, content TEXT NOT NULL, UNIQUE(chat, id));"
    "CREATE VIRTUAL TABLE said USING fts5(content, content='message', content_rowid='n');"
    "CREATE TRIGGER said_more AFTER INSERT ON message BEGIN"
    " INSERT INTO said(rowid, content) VALUES (new.n, new.content); END;"
    "CREATE TRIGGER said_less AFTER DELETE ON message BEGIN"
    " INSERT INTO said(said, rowid, content) VALUES ('delete', old.n, old.content); END;"
    "CREATE TRIGGER said_otherwise AFTER UPDATE ON message BEGIN"
    " INSERT INTO said(said, rowid, content) VALUES ('delete', old.n, old.content);"
    " INSERT INTO said(rowid, content) VALUES (new.n, new.content); END;"
    "PRAGMA user_version = 1;";

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static minerva_status fault(mn_chat_store *s, minerva_error *err)
{
    bool full = sqlite3_errcode(s->db) == SQLITE_FULL;
    return mn_fail(err, MINERVA_IO, "chats: %s%s", sqlite3_errmsg(s->db),
                   full ? ": the disk is full" : "");
}

static bool run(mn_chat_store *s, const char *sql)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

/* Binds what follows by its letter: s string (NULL: null), i int64_t. */
static sqlite3_stmt *prepare(mn_chat_store *s, const char *sql, const char *kinds, ...)
{
    sqlite3_stmt *q = NULL;
    if (sqlite3_prepare_v2(s->db, sql, -1, &q, NULL) != SQLITE_OK) return NULL;
    va_list ap;
    va_start(ap, kinds);
    for (int i = 1; kinds[i - 1]; i++) {
        if (kinds[i - 1] == 's') sqlite3_bind_text(q, i, va_arg(ap, const char *), -1, SQLITE_TRANSIENT);
        else sqlite3_bind_int64(q, i, va_arg(ap, int64_t));
    }
    va_end(ap);
    return q;
}

/* Runs a statement that gives no rows. */
static bool done(sqlite3_stmt *q)
{
    bool good = q && sqlite3_step(q) == SQLITE_DONE;
    sqlite3_finalize(q);
    return good;
}

static const char *text_of(sqlite3_stmt *q, int column)
{
    return (const char *)sqlite3_column_text(q, column);
}

/* ---- opening ------------------------------------------------------------------------ */

static minerva_status make_tables(mn_chat_store *s, const char *path, minerva_error *err)
{
    sqlite3_stmt *q = prepare(s, "PRAGMA user_version", "");
    int version = q && sqlite3_step(q) == SQLITE_ROW ? sqlite3_column_int(q, 0) : -1;
    sqlite3_finalize(q);
    if (version < 0) return mn_fail(err, MINERVA_IO, "%s: %s", path, sqlite3_errmsg(s->db));
    if (version > VERSION)
        return mn_fail(err, MINERVA_UNSUPPORTED, "%s: version %d expected, %d found: a later "
                       "Minerva made it", path, VERSION, version);
    if (version == VERSION) return MINERVA_OK;
    if (run(s, "BEGIN IMMEDIATE") && run(s, tables) && run(s, "COMMIT")) return MINERVA_OK;
    mn_fail(err, MINERVA_IO, "%s: %s", path, sqlite3_errmsg(s->db));
    run(s, "ROLLBACK");
    return MINERVA_IO;
}

minerva_status mn_chat_store_open(mn_chat_store **out, const char *path, minerva_error *err)
{
    mn_chat_store *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!s) return mn_fail_memory(err, sizeof *s);
    mode_t before = umask(0077);        /* what people say is theirs */
    int rc = sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    minerva_status st = MINERVA_OK;
    if (rc != SQLITE_OK) {
        st = mn_fail(err, MINERVA_IO, "%s: %s", path, s->db ? sqlite3_errmsg(s->db) : "out of memory");
    } else {
        sqlite3_busy_timeout(s->db, 1000);
        if (!run(s, "PRAGMA journal_mode = WAL") || !run(s, "PRAGMA synchronous = NORMAL")
            || !run(s, "PRAGMA foreign_keys = ON"))
            st = mn_fail(err, MINERVA_IO, "%s: %s", path, sqlite3_errmsg(s->db));
        else st = make_tables(s, path, err);
    }
    umask(before);
    if (st == MINERVA_OK) *out = s;
    else mn_chat_store_close(s);
    return st;
}

void mn_chat_store_close(mn_chat_store *s)
{
    if (!s) return;
    sqlite3_close(s->db);
    free(s);
}

/* ---- reading ------------------------------------------------------------------------ */

/* Words as FTS5 takes them, each quoted and the beginning of a word: a "b -> "a"* """b"*. */
static void match_words(mn_buffer *out, const char *query)
{
    while (*query) {
        size_t n = strcspn(query, " \t\r\n");
        if (n) {
            mn_buffer_append(out, "\"", 1);
            for (size_t i = 0; i < n; i++) {
                if (query[i] == '"') mn_buffer_append(out, "\"", 1);
                mn_buffer_append(out, query + i, 1);
            }
            mn_buffer_append(out, "\"* ", 3);
        }
        query += n + (query[n] != 0);
    }
}

minerva_status mn_chat_store_list(mn_chat_store *s, const char *tenant, const char *query,
                                  int64_t before_ms, int limit, json_t **out, minerva_error *err)
{
    static const char all[] =
        "SELECT id, title, updated, NULL FROM chat WHERE tenant = ?1 AND updated < ?2"
        " ORDER BY updated DESC LIMIT ?3";
    static const char found[] =
        "SELECT chat.id, title, updated, snippet(said, 0, '', '', '\xe2\x80\xa6', 12) FROM said"
        " JOIN message ON message.n = said.rowid JOIN chat ON chat.id = message.chat"
        " WHERE said MATCH ?4 AND tenant = ?1 AND updated < ?2"
        " UNION ALL SELECT id, title, updated, NULL FROM chat WHERE tenant = ?1 AND updated < ?2"
        " AND instr(lower(title), lower(?5)) ORDER BY 3 DESC";
    bool search = query && query[strspn(query, " \t\r\n")];
    mn_buffer words = { 0 };
    if (search) match_words(&words, query);
    mn_buffer_append(&words, "", 1);
    int64_t before = before_ms > 0 ? before_ms : INT64_MAX;
    sqlite3_stmt *q = search ? prepare(s, found, "siiss", tenant, before, (int64_t)limit, words.data, query)
                             : prepare(s, all, "sii", tenant, before, (int64_t)limit);
    mn_buffer_clear(&words);
    if (!q) return fault(s, err);
    json_t *list = json_array(), *seen = json_object();
    int rc = SQLITE_DONE;
    while ((int)json_array_size(list) < limit && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        const char *id = text_of(q, 0);
        if (json_object_get(seen, id)) continue;
        json_object_set_new(seen, id, json_true());
        json_t *chat = json_pack("{s:s, s:s, s:I}", "id", id, "title", text_of(q, 1), "updated",
                                 (json_int_t)sqlite3_column_int64(q, 2));
        if (text_of(q, 3)) json_object_set_new(chat, "snippet", json_string(text_of(q, 3)));
        json_array_append_new(list, chat);
    }
    sqlite3_finalize(q);
    json_decref(seen);
    if (rc != SQLITE_DONE && rc != SQLITE_ROW) {
        json_decref(list);
        return fault(s, err);
    }
    *out = list;
    return MINERVA_OK;
}

/* JSON that we wrote ourselves; damaged, it counts as nothing. */
static json_t *parsed(const char *text)
{
    json_t *v = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
    return v ? v : json_null();
}

minerva_status mn_chat_store_get(mn_chat_store *s, const char *tenant, const char *id,
                                 json_t **out, minerva_error *err)
{
    sqlite3_stmt *q = prepare(s, "SELECT title, created, updated, options, leaf FROM chat"
                                 " WHERE id = ?1 AND tenant = ?2", "ss", id, tenant);
    int rc = q ? sqlite3_step(q) : SQLITE_ERROR;
    if (rc != SQLITE_ROW) {
        sqlite3_finalize(q);
        if (rc != SQLITE_DONE) return fault(s, err);
        return mn_fail(err, MINERVA_NOT_FOUND, "no chat has the id \"%.100s\"", id);
    }
    json_t *messages = json_array();
    json_t *chat = json_pack("{s:s, s:s, s:I, s:I, s:o, s:s?, s:o}", "id", id, "title", text_of(q, 0),
        "created", (json_int_t)sqlite3_column_int64(q, 1), "updated",
        (json_int_t)sqlite3_column_int64(q, 2), "options", parsed(text_of(q, 3)), "leaf",
        text_of(q, 4), "messages", messages);
    sqlite3_finalize(q);
    q = prepare(s, "SELECT body FROM message WHERE chat = ?1 ORDER BY n", "s", id);
    rc = SQLITE_ERROR;
    while (q && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        json_t *message = parsed(text_of(q, 0));
        if (json_is_object(message)) json_array_append_new(messages, message);
        else json_decref(message);
    }
    sqlite3_finalize(q);
    if (rc != SQLITE_DONE) {
        json_decref(chat);
        return fault(s, err);
    }
    *out = chat;
    return MINERVA_OK;
}

minerva_status mn_chat_store_export(mn_chat_store *s, const char *tenant, json_t **out,
                                    minerva_error *err)
{
    json_t *list, *item, *chats = json_array();
    size_t i;
    minerva_status st = mn_chat_store_list(s, tenant, NULL, 0, INT32_MAX, &list, err);
    if (st == MINERVA_OK) {
        json_array_foreach(list, i, item) {
            json_t *chat;
            st = mn_chat_store_get(s, tenant, json_string_value(json_object_get(item, "id")), &chat, err);
            if (st != MINERVA_OK) break;
            json_array_append_new(chats, chat);
        }
        json_decref(list);
    }
    if (st == MINERVA_OK) *out = json_pack("{s:o}", "chats", chats);
    else json_decref(chats);
    return st;
}

/* ---- writing ------------------------------------------------------------------------ */

static minerva_status check_message(const json_t *m, size_t i, minerva_error *err)
{
    static const char *const roles[] = { "system", "user", "assistant", "tool" };
    const char *id = json_string_value(json_object_get(m, "id"));
    const char *role = json_string_value(json_object_get(m, "role"));
    const json_t *parent = json_object_get(m, "parent");
    bool known = false;
    for (size_t k = 0; role && k < 4; k++) known |= !strcmp(role, roles[k]);
    if (!json_is_object(m)) return mn_fail(err, MINERVA_INVALID, "messages.%zu: an object expected", i);
    if (!id || !*id || strlen(id) > MAX_ID)
        return mn_fail(err, MINERVA_INVALID, "messages.%zu.id: a string of 1 to %d bytes expected", i, MAX_ID);
    if (parent && !json_is_null(parent) && !json_is_string(parent))
        return mn_fail(err, MINERVA_INVALID, "messages.%zu.parent: an id or null expected", i);
    if (!known)
        return mn_fail(err, MINERVA_INVALID, "messages.%zu.role: system, user, assistant or tool expected", i);
    if (!json_is_string(json_object_get(m, "content")))
        return mn_fail(err, MINERVA_INVALID, "messages.%zu.content: a string expected", i);
    return MINERVA_OK;
}

static minerva_status check_change(const json_t *change, minerva_error *err)
{
    const json_t *title = json_object_get(change, "title"), *options = json_object_get(change, "options");
    const json_t *leaf = json_object_get(change, "leaf"), *messages = json_object_get(change, "messages");
    const json_t *m;
    size_t i;
    if (title && (!json_is_string(title) || json_string_length(title) > MAX_TITLE))
        return mn_fail(err, MINERVA_INVALID, "title: a string of at most %d bytes expected", MAX_TITLE);
    if (options && !json_is_object(options)) return mn_fail(err, MINERVA_INVALID, "options: an object expected");
    if (leaf && !json_is_null(leaf) && !json_is_string(leaf))
        return mn_fail(err, MINERVA_INVALID, "leaf: a message's id or null expected");
    if (messages && !json_is_array(messages)) return mn_fail(err, MINERVA_INVALID, "messages: an array expected");
    json_array_foreach(messages, i, m)
        if (check_message(m, i, err) != MINERVA_OK) return MINERVA_INVALID;
    return MINERVA_OK;
}

static bool put_message(mn_chat_store *s, const char *chat, const json_t *m)
{
    char *body = json_dumps(m, JSON_COMPACT | JSON_PRESERVE_ORDER);
    bool good = body && done(prepare(s,
        "INSERT INTO message(chat, id, body, content) VALUES (?1, ?2, ?3, ?4)"
        " ON CONFLICT(chat, id) DO UPDATE SET body = ?3, content = ?4", "ssss", chat,
        json_string_value(json_object_get(m, "id")), body,
        json_string_value(json_object_get(m, "content"))));
    free(body);
    return good;
}

/* Inside a transaction; the caller has checked `change`. */
static minerva_status put(mn_chat_store *s, const char *tenant, const char *id, bool is_new,
                          const json_t *change, minerva_error *err)
{
    const json_t *title = json_object_get(change, "title"), *options = json_object_get(change, "options");
    const json_t *leaf = json_object_get(change, "leaf"), *m;
    char *text = options ? json_dumps(options, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
    int64_t now = now_ms();
    size_t i;
    bool good;
    if (is_new) {
        good = done(prepare(s, "INSERT INTO chat VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)", "sssssi", id, tenant,
                            title ? json_string_value(title) : "", text ? text : "{}",
                            json_string_value(leaf), now));
    } else {
        good = done(prepare(s,
            "UPDATE chat SET title = coalesce(?3, title), options = coalesce(?4, options),"
            " leaf = CASE ?5 WHEN 1 THEN ?6 ELSE leaf END, updated = ?7 WHERE id = ?1 AND tenant = ?2",
            "ssssisi", id, tenant, json_string_value(title), text, (int64_t)(leaf != NULL),
            json_string_value(leaf), now));
        if (good && !sqlite3_changes(s->db)) {
            free(text);
            return mn_fail(err, MINERVA_NOT_FOUND, "no chat has the id \"%.100s\"", id);
        }
    }
    free(text);
    json_array_foreach(json_object_get(change, "messages"), i, m) good = good && put_message(s, id, m);
    return good ? MINERVA_OK : fault(s, err);
}

static bool make_id(char out[33])
{
    unsigned char random[16];
    if (getrandom(random, sizeof random, 0) != sizeof random) return false;
    for (int i = 0; i < 16; i++) snprintf(out + 2 * i, 3, "%02x", random[i]);
    return true;
}

static minerva_status finish(mn_chat_store *s, minerva_status st, minerva_error *err)
{
    if (st == MINERVA_OK && !run(s, "COMMIT")) st = fault(s, err);
    if (st != MINERVA_OK) run(s, "ROLLBACK");
    return st;
}

minerva_status mn_chat_store_put(mn_chat_store *s, const char *tenant, const char *id,
                                 const json_t *change, char id_out[33], minerva_error *err)
{
    if (check_change(change, err) != MINERVA_OK) return MINERVA_INVALID;
    if (!id && !make_id(id_out)) return mn_fail(err, MINERVA_IO, "no random numbers");
    if (!run(s, "BEGIN IMMEDIATE")) return fault(s, err);
    return finish(s, put(s, tenant, id ? id : id_out, !id, change, err), err);
}

minerva_status mn_chat_store_delete(mn_chat_store *s, const char *tenant, const char *id,
                                    minerva_error *err)
{
    if (!done(prepare(s, "DELETE FROM chat WHERE id = ?1 AND tenant = ?2", "ss", id, tenant)))
        return fault(s, err);
    if (sqlite3_changes(s->db)) return MINERVA_OK;
    return mn_fail(err, MINERVA_NOT_FOUND, "no chat has the id \"%.100s\"", id);
}

minerva_status mn_chat_store_import(mn_chat_store *s, const char *tenant, const json_t *chats,
                                    int *n_out, minerva_error *err)
{
    const json_t *chat;
    size_t i;
    *n_out = 0;
    if (!json_is_array(chats)) return mn_fail(err, MINERVA_INVALID, "chats: an array expected");
    json_array_foreach(chats, i, chat) {
        if (!json_is_object(chat)) return mn_fail(err, MINERVA_INVALID, "chats.%zu: an object expected", i);
        if (check_change(chat, err) != MINERVA_OK) return mn_fail_context(err, "chats.%zu", i);
    }
    if (!run(s, "BEGIN IMMEDIATE")) return fault(s, err);
    minerva_status st = MINERVA_OK;
    json_array_foreach(chats, i, chat) {
        char id[33];
        st = make_id(id) ? put(s, tenant, id, true, chat, err) : mn_fail(err, MINERVA_IO, "no random numbers");
        if (st != MINERVA_OK) break;
        (*n_out)++;
    }
    return finish(s, st, err);
}

/* Conversations on disk: one SQLite file, full-text search over what was said.
 *
 * (1) A conversation is a title, options, the leaf that is shown, and messages; a message is
 *     a JSON object with "id", "parent" (an id or null), "role" and "content".  What else it
 *     holds is kept as it is.
 * (2) Everybody sees their own: each call names the tenant.
 * (3) One thread uses a store.  Write-ahead log: a crash loses at most the last writes, and
 *     never tears one; each call is one transaction.
 * (4) Times are milliseconds since 1970.
 */
#ifndef MN_SERVER_CHAT_STORE_H
#define MN_SERVER_CHAT_STORE_H

#include "minerva.h"

#include <jansson.h>

typedef struct mn_chat_store mn_chat_store;

/* Opens or makes the file.  MINERVA_UNSUPPORTED: made by a later version. */
minerva_status mn_chat_store_open(mn_chat_store **out, const char *path, minerva_error *err);
void mn_chat_store_close(mn_chat_store *s);

/* [{"id","title","updated"}], the latest first, at most `limit`, those changed before
 * `before_ms` (0: all).  With a query (may be NULL): those that have all its words, as
 * beginnings of words, in one message or the title; "snippet" shows where. */
minerva_status mn_chat_store_list(mn_chat_store *s, const char *tenant, const char *query,
                                  int64_t before_ms, int limit, json_t **out,
                                  minerva_error *err);
/* {"id","title","created","updated","options","leaf","messages":[...]}; MINERVA_NOT_FOUND. */
minerva_status mn_chat_store_get(mn_chat_store *s, const char *tenant, const char *id,
                                 json_t **out, minerva_error *err);
/* Makes (id NULL) or changes a conversation: members of `change` that are absent stay as they
 * are, messages are added or replaced by id.  MINERVA_INVALID names what is wrong.  `id_out`
 * gets the id of a new one. */
minerva_status mn_chat_store_put(mn_chat_store *s, const char *tenant, const char *id,
                                 const json_t *change, char id_out[33], minerva_error *err);
minerva_status mn_chat_store_delete(mn_chat_store *s, const char *tenant, const char *id,
                                    minerva_error *err);
/* {"chats":[...]}: all, as mn_chat_store_get gives them. */
minerva_status mn_chat_store_export(mn_chat_store *s, const char *tenant, json_t **out,
                                    minerva_error *err);
/* All of an export or nothing; every chat gets a new id.  Says how many. */
minerva_status mn_chat_store_import(mn_chat_store *s, const char *tenant, const json_t *chats,
                                    int *n_out, minerva_error *err);

#endif

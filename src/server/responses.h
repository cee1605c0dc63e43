/* /v1/responses: what its files share.
 *
 *   responses.c        the handler: parameters, events, the answer
 *   responses_input.c  items of a conversation -> messages for the template
 *   responses_store.c  answers that may be continued or read again
 */
#ifndef MN_SERVER_RESPONSES_H
#define MN_SERVER_RESPONSES_H

#include "server/job.h"

/* Appends messages for `items` (a string, or an array of items) to `messages`.  Calls and
 * reasoning become part of the assistant's message that they belong to. */
void mn_items_to_messages(mn_params *p, const char *param, const json_t *items,
                          json_t *messages);
/* The same input as items that can be listed, each with an id. */
json_t *mn_items_with_ids(const json_t *input);

/* ---- stored answers; from any thread ------------------------------------------------ */
typedef struct mn_response_store mn_response_store;
/* What is stored is text; the oldest go when there is more than 256 MB of it. */
void mn_response_put(mn_response_store *s, const char *tenant, const char *id,
                     const json_t *response, const json_t *input, const json_t *messages);
typedef enum { MN_STORED_RESPONSE, MN_STORED_INPUT, MN_STORED_MESSAGES } mn_stored_part;
/* NULL: not there, or another tenant's. */
json_t *mn_response_get(mn_response_store *s, const char *tenant, const char *id,
                        mn_stored_part part);
bool mn_response_delete(mn_response_store *s, const char *tenant, const char *id);

#endif

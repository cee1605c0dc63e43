/* What a chat model's output is made of: reasoning, content and tool calls.
 *
 * Every family of models marks its reasoning and writes its tool calls in its own way.
 * mn_chat_format says which conventions a model follows (from the source of its chat
 * template, or by name), and mn_chat_parser turns the generated text, piece by piece,
 * into events that are the same for all of them:
 *
 *   <think>hm</think>On it. <tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>
 *   REASONING "hm", CONTENT "On it.", CALL_BEGIN f, CALL_ARGUMENTS {"a": 1}, CALL_END
 *
 * (1) Markup never becomes content, however the text is cut into pieces; what merely
 *     begins like markup is held back until it is decided, and nothing else is, but for
 *     white space that may stand before a marker.
 * (2) Arguments come out as JSON text, whatever the model writes (JSON, XML, Python);
 *     only JSON that a model itself broke stays broken.
 * (3) The events' texts, put together, do not depend on how the input was cut.
 * (4) Special tokens must be in the text as they are spelled; end-of-turn tokens may be.
 */
#ifndef MN_TEXT_CHAT_FORMAT_H
#define MN_TEXT_CHAT_FORMAT_H

#include "base/buffer.h"
#include "minerva.h"

#include <jansson.h>

typedef struct mn_call_style mn_call_style;
typedef struct {
    const char *family; /* "hermes", "gpt-oss", ...; "plain": no convention */
    const char *reasoning_open, *reasoning_close;   /* NULL: no reasoning is marked */
    const mn_call_style *calls;         /* NULL: no tool calls */
    bool ignores_calls;                 /* what would be a call is content */
} mn_chat_format;                       /* points to constants only; copy it freely */

/* From a chat template's source; never fails: an unknown one is "plain". */
void mn_chat_format_detect(mn_chat_format *out, const char *source, size_t len);
/* By family; false if there is none of that name. */
bool mn_chat_format_find(mn_chat_format *out, const char *family);
/* The i-th family's name, or NULL behind the last. */
const char *mn_chat_format_name(size_t i);

typedef enum {
    MN_CHAT_CONTENT, MN_CHAT_REASONING,             /* text: the next part */
    MN_CHAT_CALL_BEGIN,                             /* name, and id if it is known */
    MN_CHAT_CALL_ARGUMENTS,                         /* text: the next part of the JSON */
    MN_CHAT_CALL_END                                /* id, if the model gave one */
} mn_chat_event_kind;

typedef struct {
    mn_chat_event_kind kind;
    int call; /* CALL_*: 0, 1, ... in order of their beginning */
    const char *text, *name, *id;       /* valid during the call of the sink only */
    size_t text_len, name_len, id_len;
    bool is_complete; /* CALL_END: false if the text ended in the call */
} mn_chat_event;
typedef void mn_chat_sink(void *ctx, const mn_chat_event *event);

typedef struct mn_chat_parser mn_chat_parser;

/* tools    the request's tools (borrowed while the parser lives), or NULL: their schemas
 *          say which XML and Python arguments are strings; without them it is guessed
 * prompt   the rendered prompt, or NULL: it says whether reasoning is open already */
minerva_status mn_chat_parser_create(mn_chat_parser **out, const mn_chat_format *format,
                                     const json_t *tools, const char *prompt,
                                     size_t prompt_len, mn_chat_sink *sink, void *ctx,
                                     minerva_error *err);
void mn_chat_parser_free(mn_chat_parser *p);
/* Is what comes next reasoning, as far as is known? */
bool mn_chat_parser_in_reasoning(const mn_chat_parser *p);
/* LIMIT: one argument or call is longer than 16 MiB; MEMORY.  Both are final. */
minerva_status mn_chat_parser_feed(mn_chat_parser *p, const char *text, size_t len,
                                   minerva_error *err);
/* The text is over: what was held back comes out, open calls end. */
minerva_status mn_chat_parser_finish(mn_chat_parser *p, minerva_error *err);

#endif

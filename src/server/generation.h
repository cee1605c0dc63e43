/* What is to be generated: any API's request in one form.
 *
 * An adapter (completions.c, responses.c, messages.c, ollama.c) translates its body into
 * OpenAI-shaped messages and tools, reads its own names for the numbers, and leaves the
 * rest to the functions here, so that every API renders, constrains and samples alike.
 *
 * (1) A generation holds what it was made of (`body`), so strings may point into it.
 * (2) Faults are kept in the mn_params (first one wins); readers after one do nothing.
 */
#ifndef MN_SERVER_GENERATION_H
#define MN_SERVER_GENERATION_H

#include "server/params.h"

enum { MN_MAX_CHOICES = 16, MN_MAX_STOP_STRINGS = 16, MN_MAX_BIASES = 300 };

typedef enum { MN_TOOLS_AUTO, MN_TOOLS_NONE, MN_TOOLS_REQUIRED } mn_tool_mode;

typedef struct {
    json_t *body;               /* a reference */
    const char *text;           /* [text_len] the body as it was sent; during the read only */
    size_t text_len;
    mn_loaded_model *model;

    json_t *messages;           /* OpenAI's; NULL: prompt is plain text */
    json_t *tools;              /* OpenAI's, or NULL */
    json_t *shown_tools;        /* those the template sees, or NULL */
    json_t *strict_tools;       /* names of those whose schemas are enforced, or NULL */
    json_t *template_vars;      /* for the template, or NULL */
    mn_tool_mode tool_mode;
    bool one_call;              /* the answer ends after its first call */
    bool keep_reasoning;        /* reasoning stays in the content */
    bool hide_reasoning;        /* reasoning is not shown */
    bool continues;             /* the last message is the answer's beginning */

    minerva_sampling sampling;
    minerva_logit_bias bias[MN_MAX_BIASES];
    const char *stops[MN_MAX_STOP_STRINGS];
    size_t n_stops;
    int64_t max_tokens, n, n_top;
    bool ignore_end, logprobs;

    minerva_constraint constraint;      /* kind NONE: anything may be said */
    char *source;               /* of the constraint */
    const char *source_param;   /* the parameter that it came from */
    const char *triggers[1];

    char *prompt;               /* rendered */
    size_t prompt_len;
    int32_t *ids;
    size_t n_ids;
} mn_generation;

mn_generation *mn_generation_create(mn_call *call);
void mn_generation_free(mn_generation *g);

/* temperature, top_p, ..., seed, logit_bias, stop, max_tokens, n: what the table gives
 * this body of them. */
void mn_read_sampling(mn_params *p, mn_generation *g);
/* messages, checked and brought into the form that templates expect. */
void mn_read_messages(mn_params *p, mn_generation *g);
/* A list made by an adapter; taken. */
void mn_set_messages(mn_params *p, mn_generation *g, const char *name, json_t *messages);
/* tools, tool_choice, parallel_tool_calls */
void mn_read_tools(mn_params *p, mn_generation *g);
/* OpenAI's list of them, or NULL. */
void mn_add_tools(mn_params *p, mn_generation *g, const json_t *tools);
/* After the tools: which of them the template sees.  only: one name, or NULL. */
void mn_choose_tools(mn_params *p, mn_generation *g, const char *param, mn_tool_mode mode,
                     const char *only);
/* reasoning_effort, chat_template_kwargs, reasoning_format, include_reasoning */
void mn_read_reasoning(mn_params *p, mn_generation *g);
void mn_set_template_var(mn_generation *g, const char *name, json_t *value);
void mn_set_thinking(mn_generation *g, bool on);
void mn_set_effort(mn_params *p, mn_generation *g, const char *param, const char *effort);
/* response_format, structured_outputs, guided_*, grammar, json_schema: at most one. */
void mn_read_constraint(mn_params *p, mn_generation *g);
/* Last of all: can it be enforced, and where does it begin?  A model that reasons does so
 * first. */
void mn_settle_constraint(mn_params *p, mn_generation *g);
/* path: member names that lead from the body to the value, ending with NULL; its text as
 * it was sent, because numbers are to keep their spelling. */
void mn_constrain(mn_params *p, mn_generation *g, const char *param,
                  minerva_constraint_kind kind, const json_t *value, const char *const *path);
/* Last: renders messages (or takes `prompt`) and tokenises. */
void mn_render_chat(mn_params *p, mn_generation *g, const char *param);
void mn_read_prompt(mn_params *p, mn_generation *g, const json_t *value, const char *name,
                    bool keep_text);

#endif

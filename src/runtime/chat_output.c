/* The parser of chat output (text/chat_format.h) for one model, behind the public API.
 *
 * The format is found in the source of the template that the request would be rendered
 * with.  A parser owns a copy of the tools, whose schemas say which arguments are strings.
 */
#include "base/status.h"
#include "runtime/runtime.h"
#include "text/chat_structure.h"

#include <stdlib.h>
#include <string.h>

struct minerva_chat_parser {
    mn_chat_parser *parser;
    json_t *tools;
    bool ignores_calls;
    void (*on_event)(void *ctx, const minerva_chat_event *event);
    void *ctx;
};

static void detect(mn_chat_format *out, const minerva_model *m, bool tools)
{
    const mn_named_template *t = mn_runtime_template(m, NULL, tools);
    mn_chat_format_detect(out, t ? t->source : "", t ? t->source_len : 0);
}

/* Families whose messages have headers mark reasoning by the channel. */
static bool has_channels(const mn_chat_format *f)
{
    return !strcmp(f->family, "gpt-oss") || !strcmp(f->family, "muse");
}

void minerva_model_chat_format(const minerva_model *model, minerva_chat_format *out)
{
    mn_chat_format f;
    detect(&f, model, true);
    *out = (minerva_chat_format){
        .family = f.family, .reasoning_open = f.reasoning_open,
        .reasoning_close = f.reasoning_close, .has_calls = f.calls != NULL,
        .answer_open = strcmp(f.family, "gpt-oss") ? NULL : "<|channel|>final<|message|>",
        .has_reasoning = f.reasoning_open || has_channels(&f),
    };
}

static void on_event(void *ctx, const mn_chat_event *e)
{
    const minerva_chat_parser *p = ctx;
    if (p->ignores_calls && e->kind >= MN_CHAT_CALL_BEGIN) return;
    minerva_chat_event out = {
        .kind = (minerva_chat_event_kind)e->kind, .call = e->call, .text = e->text,
        .text_len = e->text_len, .name = e->name, .name_len = e->name_len, .id = e->id,
        .id_len = e->id_len, .is_complete = e->is_complete,
    };
    p->on_event(p->ctx, &out);
}

minerva_status minerva_chat_parser_create(minerva_chat_parser **out, const minerva_model *m,
                                          const minerva_chat_options *o, minerva_error *err)
{
    json_error_t why;
    mn_chat_format format;
    if (!o->on_event) return mn_fail(err, MINERVA_INVALID, "on_event: a function expected");
    minerva_chat_parser *p = calloc(1, sizeof *p);
    if (!p) return mn_fail_memory(err, sizeof *p);
    *p = (minerva_chat_parser){ .on_event = o->on_event, .ctx = o->ctx,
                                .ignores_calls = !o->tools };
    minerva_status st = MINERVA_OK;
    if (o->tools && !(p->tools = json_loadb(o->tools, o->tools_len, 0, &why)))
        st = mn_fail_at(err, MINERVA_INVALID, why.position, "tools: %s", why.text);
    detect(&format, m, o->tools != NULL);
    format.ignores_calls = p->ignores_calls;
    if (o->keep_reasoning && !has_channels(&format))
        format.reasoning_open = format.reasoning_close = NULL;
    if (st == MINERVA_OK)
        st = mn_chat_parser_create(&p->parser, &format, p->tools, o->prompt, o->prompt_len,
                                   on_event, p, err);
    if (st != MINERVA_OK) {
        minerva_chat_parser_free(p);
        return st;
    }
    *out = p;
    return MINERVA_OK;
}

void minerva_chat_parser_free(minerva_chat_parser *p)
{
    if (!p) return;
    mn_chat_parser_free(p->parser);
    json_decref(p->tools);
    free(p);
}

minerva_status minerva_chat_parser_feed(minerva_chat_parser *p, const char *text, size_t len,
                                        minerva_error *err)
{
    return mn_chat_parser_feed(p->parser, text, len, err);
}

minerva_status minerva_chat_parser_finish(minerva_chat_parser *p, minerva_error *err)
{
    return mn_chat_parser_finish(p->parser, err);
}

bool minerva_chat_parser_in_reasoning(const minerva_chat_parser *p)
{
    return mn_chat_parser_in_reasoning(p->parser);
}

/* ---- calls as they must be --------------------------------------------------------- */

static void ignore(void *ctx, const mn_chat_event *e) { }

static bool begins_in_reasoning(const mn_chat_format *f, const char *prompt, size_t len)
{
    mn_chat_parser *p = NULL;
    bool open = mn_chat_parser_create(&p, f, NULL, prompt, len, ignore, NULL, NULL) == MINERVA_OK
                && mn_chat_parser_in_reasoning(p);
    mn_chat_parser_free(p);
    return open;
}

minerva_status minerva_chat_calls_constraint(const minerva_model *m, const minerva_chat_calls *c,
                                             char **source, minerva_error *err)
{
    json_error_t why;
    json_t *tools = json_loadb(c->tools ? c->tools : "", c->tools_len, 0, &why), *tag = NULL;
    if (!tools) return mn_fail_at(err, MINERVA_INVALID, why.position, "tools: %s", why.text);
    const mn_named_template *t = mn_runtime_template(m, NULL, true);
    mn_chat_format format;
    detect(&format, m, true);
    mn_structure_options o = {
        .required = c->required, .single = c->single, .strict_only = c->strict_only,
        .in_reasoning = c->prompt && begins_in_reasoning(&format, c->prompt, c->prompt_len),
    };
    minerva_status st = mn_chat_structure(&tag, &format, t ? t->source : "",
                                          t ? t->source_len : 0, tools, &o, err);
    if (st == MINERVA_OK && !(*source = json_dumps(tag, JSON_COMPACT | JSON_REAL_PRECISION(15))))
        st = mn_fail_memory(err, 1);
    json_decref(tag);
    json_decref(tools);
    return st;
}

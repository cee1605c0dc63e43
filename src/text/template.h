/* Chat templates: a Jinja interpreter for what model templates use.
 *
 * Behaves as jinja2 3.1's ImmutableSandboxedEnvironment(trim_blocks, lstrip_blocks) with
 * loop controls, as transformers sets it up.
 * (1) A parsed template is constant: any number of threads may render it.
 * (2) Steps, nesting depth and output are budgeted, so that a hostile template ends in
 *     MINERVA_LIMIT and never in a hang or in exhausted memory.
 * (3) raise_exception() in the template: MINERVA_INVALID with the template's message.
 */
#ifndef MN_TEXT_TEMPLATE_H
#define MN_TEXT_TEMPLATE_H

#include "base/buffer.h"
#include "minerva.h"

#include <jansson.h>
#include <time.h>

typedef struct mn_template mn_template;

minerva_status mn_template_parse(mn_template **out, const char *source, size_t len,
                                 minerva_error *err);
void mn_template_free(mn_template *t);

typedef struct {
    int64_t max_steps;          /* 0: 50 million, less than a second */
    int max_depth;              /* 0: 200 */
    size_t max_output_bytes;    /* 0: 64 MiB */
    size_t max_memory_bytes;    /* of values; 0: 256 MiB */
    const struct tm *now;       /* for strftime_now; NULL: local time */
} mn_render_options;

/* variables: an object; its members are the template's globals (messages, tools,
 * add_generation_prompt, bos_token, ...).  Appends to *out.
 * spans: if not NULL, receives (start, end) byte offsets in *out of {% generation %}
 * bodies as int64_t pairs. */
minerva_status mn_template_render(const mn_template *t, const json_t *variables,
                                  const mn_render_options *options, mn_buffer *out,
                                  mn_buffer *spans, minerva_error *err);

#endif

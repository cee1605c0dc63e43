/* Tool calls as they must be: from tools to a structural tag in a family's own form. */
#ifndef MN_TEXT_CHAT_STRUCTURE_H
#define MN_TEXT_CHAT_STRUCTURE_H

#include "text/chat_format.h"

typedef struct {
    bool required;              /* the answer begins with a call */
    bool single;                /* and ends after it */
    bool in_reasoning;          /* the prompt leaves reasoning open */
    bool strict_only;           /* only tools with "strict": true obey their schemas */
} mn_structure_options;

/* Can calls be enforced in this family's form? */
bool mn_chat_structure_known(const mn_chat_format *format);
/* source   [len] the chat template: some families write calls in more than one way
 * tools    [{"type":"function","function":{"name","parameters","strict"}}]
 * *out     a structural tag; the caller owns it
 * UNSUPPORTED: the family is not known, or a parameter cannot be told in its form. */
minerva_status mn_chat_structure(json_t **out, const mn_chat_format *format, const char *source,
                                 size_t len, const json_t *tools,
                                 const mn_structure_options *options, minerva_error *err);

#endif

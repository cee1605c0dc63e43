/* Request parameters: one table of what there is, read by the handlers and by
 * /openapi.json alike, so that neither can say what the other does not do. */
#ifndef MN_SERVER_PARAMS_H
#define MN_SERVER_PARAMS_H

#include "server/server.h"

/* Which request (or object in one) a parameter belongs to. */
enum {
    MN_FOR_CHAT = 1, MN_FOR_COMPLETIONS = 2, MN_FOR_EMBEDDINGS = 4, MN_FOR_TOKENIZE = 8,
    MN_FOR_DETOKENIZE = 16, MN_FOR_TEMPLATE = 32, MN_FOR_MESSAGES = 64,
    MN_FOR_COUNT_TOKENS = 128, MN_FOR_OLLAMA_CHAT = 256, MN_FOR_OLLAMA_GENERATE = 512,
    MN_FOR_OLLAMA_OPTIONS = 1024, MN_FOR_OLLAMA_EMBED = 2048, MN_FOR_OLLAMA_SHOW = 4096,
    MN_FOR_RESPONSES = 1 << 13, MN_FOR_RERANK = 1 << 14, MN_FOR_OLLAMA_PULL = 1 << 15,
    MN_FOR_CHATS = 1 << 22, MN_FOR_CHATS_IMPORT = 1 << 23,
    MN_FOR_MODEL_LOAD = 1 << 24, MN_FOR_MODEL_UNLOAD = 1 << 25,     /* and fit */
};

typedef enum { MN_INTEGER, MN_NUMBER, MN_BOOLEAN, MN_STRING, MN_STRINGS, MN_ARRAY, MN_OBJECT,
               MN_ANY } mn_param_type;

typedef struct {
    const char *name;
    unsigned where;             /* MN_FOR_... */
    mn_param_type type;
    double lo, hi;              /* numbers: the range; strings: hi is the most of them */
    const char *about;          /* NULL: accepted, and of no effect here */
} mn_param_spec;

extern const mn_param_spec mn_param_specs[];
extern const size_t mn_n_param_specs;

/* Readers leave *out alone if the member is absent or null; the range is the table's.  The
 * first fault is kept in err (code and message) and param; later readers then do nothing. */
typedef struct {
    const json_t *body;
    unsigned where;
    minerva_error err;
    const char *param;
} mn_params;

bool mn_param_float(mn_params *p, const char *name, float *out);
bool mn_param_int(mn_params *p, const char *name, int64_t *out);
bool mn_param_bool(mn_params *p, const char *name, bool *out);
/* A string, or an array of at most `hi` of them (out has room); borrowed from the body. */
void mn_param_strings(mn_params *p, const char *name, const char **out, size_t *n);
/* Every member must be in the table. */
void mn_param_known(mn_params *p);
/* The member, or NULL if it is absent or null. */
json_t *mn_param_get(const mn_params *p, const char *name);
__attribute__((format(printf, 3, 4)))
void mn_param_fail(mn_params *p, const char *name, const char *fmt, ...);

#endif

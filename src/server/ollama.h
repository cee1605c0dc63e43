/* Ollama's API: what its files share.
 *
 *   ollama.c         /api/chat, /api/generate
 *   ollama_models.c  /api/tags, show, ps, version, and what is refused
 */
#ifndef MN_SERVER_OLLAMA_H
#define MN_SERVER_OLLAMA_H

#include "server/job.h"

/* "2026-01-31T23:59:59.000000Z" */
json_t *mn_ollama_time(int64_t seconds);
/* keep_alive, if it is there: seconds, -1: forever. */
bool mn_ollama_keep_alive(mn_params *p, int *seconds);

#endif

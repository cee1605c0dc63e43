/* The server's settings from flags, environment and configuration file; see serve_config.c. */
#ifndef MN_CLI_SERVE_CONFIG_H
#define MN_CLI_SERVE_CONFIG_H

#include "cli/cli.h"

#include <jansson.h>

enum { SERVE_MAX_OPTIONS = 64 };
typedef enum { SERVE_FROM_DEFAULT, SERVE_FROM_FILE, SERVE_FROM_ENVIRONMENT, SERVE_FROM_FLAG }
    serve_source;

/* What settings point into; lives as long as they are used. */
typedef struct {
    json_t *file;
    char *texts[2 * SERVE_MAX_OPTIONS];
    size_t n;
} serve_kept;
void serve_kept_clear(serve_kept *kept);

/* Sets what was not given as a flag.  path: NULL: config.json of $MINERVA_HOME, if it is
 * there.  -1, or the exit code after a line on stderr.  sources [number of options]. */
int serve_config_read(const cli_option *options, const bool *given, const char *path,
                      serve_source *sources, serve_kept *kept);
/* As JSON that serve_config_read() takes, and where each setting comes from. */
void serve_config_print(const cli_option *options, const serve_source *sources);
/* Adds lines "NAME:SECRET" or "NAME:sha256:DIGEST".  -1, or the exit code. */
int serve_read_keys(const char *path, cli_list *keys, serve_kept *kept);
/* Makes a secret and prints it with its digest. */
int serve_new_key(const char *name);

#endif

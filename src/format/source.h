/* A model as found on disk, of whichever kind: what everything above loads from. */
#ifndef MN_FORMAT_SOURCE_H
#define MN_FORMAT_SOURCE_H

#include "format/gguf.h"
#include "format/model_dir.h"

typedef enum { MN_SOURCE_GGUF, MN_SOURCE_DIR } mn_source_kind;

typedef struct mn_model_source {
    mn_source_kind kind;
    char *path;                 /* as resolved: the file, or the directory */
    mn_gguf *gguf;              /* kind GGUF */
    mn_model_dir *dir;          /* kind DIR */
    size_t size_bytes;          /* of all weight files */
} mn_model_source;

typedef struct {
    bool metadata_only;         /* files without weights will do (vocabularies) */
} mn_source_options;

/* `path`: a .gguf file (any part of a split one), a directory with config.json or
 * tokenizer files, a directory that holds exactly one such thing (one .gguf model, or one
 * model directory).  Otherwise a refusal that says what was found: a pickle (.bin, .pt),
 * an Ollama manifest, a Git LFS pointer, several models, an unfinished download,
 * nothing. */
minerva_status mn_source_open(mn_model_source **out, const char *path,
                              const mn_source_options *options, minerva_error *err);
void mn_source_close(mn_model_source *s);

/* The tensor of that name in either kind; NULL if absent. */
const mn_tensor_ref *mn_source_tensor(const mn_model_source *s, const char *name);

#endif

/* HuggingFace / MLX directories: config.json and any number of *.safetensors shards.
 *
 * safetensors: u64 header length, JSON header {name: {dtype, shape, data_offsets}}, data.
 * The index file is optional and only checked for missing shards; all shards are read.
 *
 * (1) Shards are mapped, never copied.
 * (2) After a successful open: no duplicate tensor names (within and across shards),
 *     every range inside its shard and equal to dtype x shape, no overlaps, no holes.
 * (3) JSON is parsed by jansson with duplicates rejected and depth limited.
 */
#ifndef MN_FORMAT_MODEL_DIR_H
#define MN_FORMAT_MODEL_DIR_H

#include "format/tensor_ref.h"
#include "minerva.h"

#include <jansson.h>

/* One or more safetensors files. */
typedef struct mn_safetensors mn_safetensors;
minerva_status mn_safetensors_open(mn_safetensors **out, const char *const *paths,
                                   int n_paths, minerva_error *err);
/* The same over one file's bytes, which the caller keeps until the close. */
minerva_status mn_safetensors_open_memory(mn_safetensors **out, const void *data,
                                          size_t size_bytes, minerva_error *err);
void mn_safetensors_close(mn_safetensors *s);
size_t mn_safetensors_size_bytes(const mn_safetensors *s);     /* of all files */
int64_t mn_safetensors_n_tensors(const mn_safetensors *s);
const mn_tensor_ref *mn_safetensors_at(const mn_safetensors *s, int64_t i);
const mn_tensor_ref *mn_safetensors_find(const mn_safetensors *s, const char *name);

typedef struct mn_model_dir mn_model_dir;
/* weights: false opens the JSON files only (tokenizer-only directories, `show`). */
minerva_status mn_model_dir_open(mn_model_dir **out, const char *path, bool weights,
                                 minerva_error *err);
void mn_model_dir_close(mn_model_dir *d);
const char *mn_model_dir_path(const mn_model_dir *d);
const json_t *mn_model_dir_config(const mn_model_dir *d);   /* object; NULL if absent */
/* tokenizer_config.json, generation_config.json, adapter_config.json ...; parsed on first
 * use; NULL if absent (no error) or broken (error). */
const json_t *mn_model_dir_json(mn_model_dir *d, const char *file_name,
                                minerva_error *err);
/* Text of a file in the directory, malloc()ed; NOT_FOUND if absent. */
minerva_status mn_model_dir_text(const mn_model_dir *d, const char *file_name,
                                 size_t limit_bytes, char **out, size_t *len,
                                 minerva_error *err);
const mn_safetensors *mn_model_dir_weights(const mn_model_dir *d);

#endif

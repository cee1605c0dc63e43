/* Writing model files: GGUF version 3 and safetensors, behind one interface.
 *
 *     mn_tensor_writer_create(&w, MN_WRITE_GGUF)
 *     mn_tensor_writer_put_string(w, "general.architecture", "llama") ...
 *     mn_tensor_writer_declare(w, name, ...)          every tensor, in order of its data
 *     mn_tensor_writer_begin(w, path, err)            header and descriptions are written
 *     mn_tensor_writer_append(w, bytes, n)            all data in that order, any pieces
 *     mn_tensor_writer_finish(w, err)                 checks that all data came; renames
 *     mn_tensor_writer_free(w)                        removes what was not finished
 *
 * (1) Names are copied, data are not kept: a model of any size passes through.
 * (2) put and declare cannot fail by themselves; begin reports what went wrong in them.
 * (3) Padding between tensors is the writer's (GGUF: general.alignment 32).
 * (4) safetensors metadata values are strings: put_string only.
 */
#ifndef MN_FORMAT_TENSOR_WRITER_H
#define MN_FORMAT_TENSOR_WRITER_H

#include "format/gguf.h"

typedef enum { MN_WRITE_GGUF, MN_WRITE_SAFETENSORS } mn_write_format;
typedef struct mn_tensor_writer mn_tensor_writer;

minerva_status mn_tensor_writer_create(mn_tensor_writer **out, mn_write_format format,
                                       minerva_error *err);
void mn_tensor_writer_free(mn_tensor_writer *w);

void mn_tensor_writer_put_string(mn_tensor_writer *w, const char *key, const char *value);
void mn_tensor_writer_put_bytes(mn_tensor_writer *w, const char *key,
                                mn_gguf_string value);
void mn_tensor_writer_put_u32(mn_tensor_writer *w, const char *key, uint32_t value);
void mn_tensor_writer_put_f32(mn_tensor_writer *w, const char *key, float value);
void mn_tensor_writer_put_bool(mn_tensor_writer *w, const char *key, bool value);
void mn_tensor_writer_put_strings(mn_tensor_writer *w, const char *key,
                                  const mn_gguf_string *values, int64_t n);
void mn_tensor_writer_put_i32s(mn_tensor_writer *w, const char *key,
                               const int32_t *values, int64_t n);
void mn_tensor_writer_put_f32s(mn_tensor_writer *w, const char *key, const float *values,
                               int64_t n);
/* A key of another file as it is there. */
void mn_tensor_writer_put_kv(mn_tensor_writer *w, const mn_gguf_kv *kv);

/* kind, wtype, dims (outermost first) as in mn_tensor_ref.  GGUF takes ggml's types and
 * at most 4 dimensions, safetensors plain numbers only. */
void mn_tensor_writer_declare(mn_tensor_writer *w, const char *name, mn_stored_kind kind,
                              mn_wtype wtype, int n_dims, const int64_t *dims);

minerva_status mn_tensor_writer_begin(mn_tensor_writer *w, const char *path,
                                      minerva_error *err);
/* May run over the end of a tensor into the next. */
void mn_tensor_writer_append(mn_tensor_writer *w, const void *bytes, size_t n);
minerva_status mn_tensor_writer_finish(mn_tensor_writer *w, minerva_error *err);

#endif

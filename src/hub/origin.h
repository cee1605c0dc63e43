/* Where a fetched model came from: .minerva.json beside its files.
 *
 *     {"id": "org/name", "commit": "...", "license": "...", "endpoint": "...",
 *      "files": {"Model-Q4_K_M.gguf": {"size": 1, "digest": "..."}, ...}}
 */
#ifndef MN_HUB_ORIGIN_H
#define MN_HUB_ORIGIN_H

#include "hub/hub.h"

#define MN_ORIGIN_FILE ".minerva.json"

json_t *mn_origin_read(const char *folder);     /* NULL: none */
/* Notes files of `r` in the folder's record, which is made if need be. */
minerva_status mn_origin_note(const char *folder, const mn_repo *r, const char *endpoint,
                              const mn_repo_file *const *files, int64_t n_files,
                              minerva_error *err);
/* Is this very content there, under its name and with its size? */
bool mn_origin_has(const json_t *origin, const char *folder, const mn_repo_file *f);
/* Forgets a file; the record goes with its last one. */
void mn_origin_forget(const char *folder, const char *path);

#endif

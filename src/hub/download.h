/* One file from the hub, by several connections at once, into a part that survives
 * anything (hub/part_file.h). */
#ifndef MN_HUB_DOWNLOAD_H
#define MN_HUB_DOWNLOAD_H

#include "hub/part_file.h"
#include "hub/transport.h"

typedef struct {
    mn_transport *transport;
    const char *url;
    const char *what;           /* "org/name", for messages */
    bool has_token;
    int connections;            /* 1 or more */
    int retries;                /* failures in a row before giving up */
    int backoff_ms;
    /* Called several times a second: bytes there, in flight included; false cancels. */
    bool (*progress)(void *ctx, int64_t bytes, const char *note);
    void *ctx;
} mn_download;

/* Fills the part and lets it arrive.  Errors: as mn_transport_get(), FULL (disk), INVALID
 * (the content is not what the hub promised, twice).  What has arrived stays. */
minerva_status mn_download_run(const mn_download *d, mn_part *part, minerva_error *err);

#endif

/* A hub for tests: speaks HuggingFace's protocol on loopback and misbehaves on order.
 *
 * It runs in a process of its own and is steered through shared memory (hub_control), which
 * also says what it saw.  Two ports make two origins: the hub, and the store ("CDN") that
 * large files are redirected to.  Models are made up (their bytes are a function of name and
 * offset) but for acme/nano-GGUF, which is a real one.
 *
 *     acme/tiny-GGUF    Q4_K_M, Q8_0, F16, a projector; evil names, code and a pickle beside
 *     acme/split-GGUF   Q4_0 in three parts in a folder
 *     acme/tiny-mlx     a model directory, real (from tests/data), with code and a pickle
 *     acme/nano-GGUF    one real GGUF file
 *     acme/pickled      pickles only             acme/empty        no model at all
 *     acme/gated        wants the token          acme/private      401 unless the token comes
 *     acme/many         2,500 files: pages       acme/huge-GGUF    32 TB that do not exist
 */
#ifndef TESTS_HUB_SERVER_H
#define TESTS_HUB_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define HUB_TOKEN "hf_goodtoken"

typedef enum {
    HUB_GOOD = 0,
    HUB_DROP,           /* the connection ends after `after` bytes */
    HUB_STALL,          /* nothing more after `after` bytes */
    HUB_WRONG_RANGE,    /* other bytes than asked for, honestly labelled */
    HUB_LYING_RANGE,    /* fewer bytes than the head says, then the end */
    HUB_TOO_MANY,       /* 429 with Retry-After: `retry_after` */
    HUB_DOWN,           /* 503 */
    HUB_SHORT,          /* the file is shorter than the list of files says */
    HUB_CORRUPT,        /* one byte is wrong */
    HUB_CHANGED,        /* another version of the file */
    HUB_NO_RANGES,      /* 200 and the whole file, whatever is asked */
    HUB_EXPIRED,        /* 403 from the store: the signature is too old */
    HUB_FORBIDDEN,      /* 403 from the hub */
    HUB_CHAOS           /* a third of the requests get one of the first seven */
} hub_fault;

enum { HUB_MAX_RANGES = 65536 };

typedef struct {
    int hub_port, store_port;
    /* orders */
    atomic_int fault;           /* of file answers */
    atomic_int api_fault;       /* of lists and cards: TOO_MANY, DOWN */
    atomic_int n_faults;        /* so many more times; -1: always */
    atomic_int after, retry_after;
    atomic_int slow_us;         /* pause after each 16 KiB */
    /* what it saw */
    atomic_int n_api, n_files, token_at_hub, token_at_store, n_connections;
    atomic_long bytes_sent;
    atomic_int n_ranges;        /* ranges asked of the store, as file number and bytes */
    struct { int64_t first, end; } ranges[HUB_MAX_RANGES];
} hub_control;

typedef struct {
    hub_control *c;
    pid_t pid;
    char endpoint[64];
} hub_server;

/* Forks the server; returns when it listens.  port 0: any. */
bool hub_server_start(hub_server *s, int port);
void hub_server_stop(hub_server *s);
/* For a program of its own: does not return. */
void hub_server_run(int port);

/* Bytes of a made-up file, as the server has them. */
void hub_file_bytes(const char *path, int version, int64_t offset, uint8_t *out, size_t n);

#endif

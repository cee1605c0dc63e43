/* The product's server over clockwork.c.
 * usage: load_server MODEL TICK_US PIECE_BYTES MAX_RUNNING MAX_QUEUED HEADER_TIMEOUT_S */
#include "server/server.h"
#include "tests/clockwork.h"

#include <stdio.h>
#include <stdlib.h>

static void on_ready(void *ctx, int port)
{
    fprintf(stderr, "serving at http://127.0.0.1:%d\n", port);
}

int main(int argc, char **argv)
{
    minerva_error err = { 0 };
    if (argc != 7) return 2;
    mn_server_model model = { "clockwork", argv[1] };
    clockwork_tick_us = atoi(argv[2]);
    clockwork_piece_bytes = atoi(argv[3]);
    mn_server_options o = {
        .port = -1, .models = &model, .n_models = 1, .on_ready = on_ready,
        .scheduler = { .max_running = atoi(argv[4]), .max_queued = atoi(argv[5]) },
        .header_timeout_s = atoi(argv[6]), .load.state_limit_bytes = 1 << 20,
    };
    if (mn_serve(&o, &err) == MINERVA_OK) return 0;
    fprintf(stderr, "load_server: %s\n", err.message);
    return 1;
}

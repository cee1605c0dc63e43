/* The test hub as a program: run_hub_server [PORT].  Prints its address; HF_ENDPOINT=that. */
#include "tests/hub_server.h"

#include <stdlib.h>

int main(int argc, char **argv)
{
    hub_server_run(argc > 1 ? atoi(argv[1]) : 0);
    return 1;
}

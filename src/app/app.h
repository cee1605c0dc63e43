/* minerva-app: the web page in a window of its own.  The only program that is linked against
 * GTK and WebKitGTK; `minerva app` (cli/cmd_app.c) becomes it:
 *
 *   minerva-app PORT HOME MINERVA [MODEL...]
 *
 *   app_window.c   the window, and what may be loaded in it
 *   app_server.c   the server behind it: found, or started and ended
 *   app_single.c   that there is one window
 *
 * (1) It knows the server by HTTP on 127.0.0.1 alone and nothing of the library.
 * (2) Nothing but that origin is loaded, by three locks: the page's own policy (a server
 *     without it is refused), a filter on all requests, and the rule for navigation.
 * (3) A server that we started ends when we do, however that happens; one that was there
 *     stays.
 */
#ifndef MN_APP_APP_H
#define MN_APP_APP_H

#include <stdbool.h>
#include <sys/types.h>

/* ---- app_server.c ------------------------------------------------------------------ */
typedef enum { MN_APP_NOBODY, MN_APP_MINERVA, MN_APP_STRANGER } mn_app_answer;
/* Who answers at the port.  Takes a second at most. */
mn_app_answer mn_app_server_ask(int port);
/* MINERVA serve MODEL... --port PORT in the background; -1 with errno. */
pid_t mn_app_server_start(const char *program, int port, char *const *models);

/* ---- app_single.c ------------------------------------------------------------------ */
/* 1: we are the only one, until the process ends or mn_app_single_release(); 0: another is,
 * and was sent SIGUSR2; -1: neither could be done, errno says why. */
int mn_app_single_acquire(const char *dir);
void mn_app_single_release(void);

#endif

/* The server behind the window: who answers at the port, and starting our own.
 *
 * A server is Minerva's if it gives the page with the page's policy; another program's page
 * (11434 is also Ollama's port) is never shown.
 */
#include "app/app.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* What is there by the end of the headers; false if nothing was said in time. */
static bool read_headers(int fd, char *out, size_t size)
{
    size_t n = 0;
    while (n + 1 < size) {
        ssize_t got = read(fd, out + n, size - 1 - n);
        if (got <= 0) break;
        n += (size_t)got;
        out[n] = 0;
        if (strstr(out, "\r\n\r\n")) break;
    }
    out[n] = 0;
    return n > 0;
}

mn_app_answer mn_app_server_ask(int port)
{
    static const char policy[] = "\r\nContent-Security-Policy: default-src 'none'; "
                                 "script-src 'sha256-";
    char text[8192];
    struct timeval limit = { 1, 0 };
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    mn_app_answer answer = MN_APP_NOBODY;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return MN_APP_NOBODY;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0) {
        int n = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                         "Accept-Encoding: gzip\r\nConnection: close\r\n\r\n", port);
        bool said = send(fd, text, (size_t)n, MSG_NOSIGNAL) == n
                    && read_headers(fd, text, sizeof text);
        answer = said && !strncmp(text, "HTTP/1.1 200 ", 13) && strstr(text, policy)
                 ? MN_APP_MINERVA : MN_APP_STRANGER;
    }
    close(fd);
    return answer;
}

pid_t mn_app_server_start(const char *program, int port, char *const *models)
{
    char number[16], *args[64] = { (char *)program, "serve" };
    size_t n = 2, room = sizeof args / sizeof *args - 6;
    snprintf(number, sizeof number, "%d", port);
    while (*models && n < room) args[n++] = *models++;
    char *const last[] = { "--host", "127.0.0.1", "--port", number };
    memcpy(args + n, last, sizeof last);
    pid_t parent = getpid(), pid = fork();
    if (pid) return pid;
    /* It ends with us even if we are killed.  ^C in the terminal reaches us, and it by us. */
    setpgid(0, 0);
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) == 0 && getppid() == parent) execv(program, args);
    fprintf(stderr, "minerva: %s: %s\n", program, strerror(errno));
    _exit(127);
}

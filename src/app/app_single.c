/* One window: the first holds a lock on DIR/app.lock, in which its process id stands.
 *
 * (1) Whoever holds the lock ignores or handles SIGUSR2 from before its number is there.
 *     (SIGUSR1 is WebKit's.)
 * (2) The number is believed only while the lock is held by another.
 */
#include "app/app.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { N_TRIES = 40, WAIT_MS = 50 };

static int lock = -1;           /* one for the process, as the lock itself is */

static int tell_the_other(int fd)
{
    char text[32] = "";
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    pid_t pid = n > 0 ? (pid_t)atol(text) : 0;
    return pid > 1 && kill(pid, SIGUSR2) == 0;
}

int mn_app_single_acquire(const char *dir)
{
    char path[4096], text[32];
    if (mkdir(dir, 0700) && errno != EEXIST) return -1;
    if (snprintf(path, sizeof path, "%s/app.lock", dir) >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return -1;
    /* The other may be about to write its number, or to end. */
    for (int i = 0; flock(fd, LOCK_EX | LOCK_NB); i++) {
        bool told = errno == EWOULDBLOCK && tell_the_other(fd);
        if (told || errno == EINVAL || i == N_TRIES) {
            close(fd);
            if (!told) errno = EBUSY;
            return told ? 0 : -1;
        }
        nanosleep(&(struct timespec){ 0, WAIT_MS * 1000000L }, NULL);
    }
    signal(SIGUSR2, SIG_IGN);
    int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) || pwrite(fd, text, (size_t)n, 0) != n) {
        close(fd);
        return -1;
    }
    lock = fd;
    return 1;
}

void mn_app_single_release(void)
{
    if (lock < 0) return;
    if (ftruncate(lock, 0)) { /* the number is not believed without the lock */ }
    close(lock);
    lock = -1;
}

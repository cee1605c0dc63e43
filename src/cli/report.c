/* Error lines, reading of input, and sizes for people. */
#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int cli_fail(const minerva_error *err)
{
    fprintf(stderr, "minerva: %s\n",
            err->message[0] ? err->message : minerva_status_name(err->code));
    return CLI_FAILED;
}

static void say(const char *fmt, va_list ap)
{
    fputs("minerva: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
}

int cli_fail_with(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say(fmt, ap);
    va_end(ap);
    return CLI_FAILED;
}

int cli_usage(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say(fmt, ap);
    va_end(ap);
    return CLI_USAGE;
}

char *cli_read(const char *path, size_t *len)
{
    bool is_stdin = !strcmp(path, "-");
    FILE *f = is_stdin ? stdin : fopen(path, "rb");
    if (!f) {
        cli_fail_with("%s: %s", path, strerror(errno));
        return NULL;
    }
    size_t n = 0, capacity = 65536;
    char *data = malloc(capacity);
    while (data) {
        size_t got = fread(data + n, 1, capacity - n - 1, f);
        n += got;
        if (got == 0) break;
        if (n + 1 == capacity) {
            char *more = realloc(data, capacity *= 2);
            if (!more) free(data);
            data = more;
        }
    }
    bool broken = ferror(f);
    if (!is_stdin) fclose(f);
    if (!data || broken) {
        cli_fail_with("%s: %s", path, data ? "cannot be read" : "out of memory");
        free(data);
        return NULL;
    }
    data[n] = 0;
    *len = n;
    return data;
}

const char *cli_size(double bytes, char out[32])
{
    static const char *const units[] = { "bytes", "KB", "MB", "GB", "TB" };
    int unit = 0;
    while (bytes >= 1000 && unit < 4) {
        bytes /= 1000;
        unit++;
    }
    snprintf(out, 32, unit && bytes < 100 ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
    return out;
}

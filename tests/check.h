/* What every test includes: cmocka with its prerequisites, and where test data lie.
 *
 * data("x") is a path in tests/data.  shared("golden/...") is a path in the larger test
 * collection beside the checkout; tests that need it begin with NEED_SHARED(), which
 * skips with a clear line where it is absent. */
#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static inline const char *test_path(const char *root, const char *name)
{
    static char paths[8][4096];
    static int next;
    char *p = paths[next++ % 8];
    snprintf(p, sizeof paths[0], "%s/%s", root, name);
    return p;
}

static inline const char *shared_root(void)
{
    const char *root = getenv("MINERVA_TEST_SHARED");
    return root ? root : "../shared";
}

#define data(name) test_path("tests/data", name)
#define shared(name) test_path(shared_root(), name)

#define NEED_SHARED()                                                                 \
    do {                                                                              \
        if (access(shared("golden/README.md"), R_OK)) {                               \
            printf("skipped: %s: the large test data are not there (%s)\n", __func__, \
                   shared_root());                                                    \
            fflush(stdout);                                                           \
            skip();                                                                   \
        }                                                                             \
    } while (0)

#define assert_ok(call)                                                               \
    do {                                                                              \
        minerva_error check_err = { 0 };                                              \
        minerva_error *err = &check_err;                                              \
        minerva_status check_status = (call);                                         \
        if (check_status != MINERVA_OK)                                               \
            fail_msg("%s: %s", #call, check_err.message);                             \
        (void)err;                                                                    \
    } while (0)

#endif

/* The backends that are there.  The native one is always; plug-ins join when found. */
#include "backend/native/native.h"

#include <string.h>

const mn_backend *const *mn_backends(void)
{
    static const mn_backend *const all[] = { &mn_backend_native, NULL };
    return all;
}

const mn_backend *mn_backend_find(const char *name)
{
    for (const mn_backend *const *b = mn_backends(); *b; b++)
        if (!strcmp((*b)->name, name)) return *b;
    return NULL;
}

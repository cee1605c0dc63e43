/* Digests over OpenSSL; see digest.h. */
#include "hub/digest.h"
#include "base/status.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mn_digest {
    EVP_MD_CTX *md;
    bool failed;
};

minerva_status mn_digest_create(mn_digest **out, mn_digest_kind kind, int64_t size_bytes,
                                minerva_error *err)
{
    mn_digest *d = calloc(1, sizeof *d);
    *out = d;
    if (!d || !(d->md = EVP_MD_CTX_new())
        || !EVP_DigestInit_ex(d->md, kind == MN_DIGEST_GIT ? EVP_sha1() : EVP_sha256(), NULL)) {
        mn_digest_free(d);
        *out = NULL;
        return mn_fail_memory(err, sizeof *d);
    }
    if (kind == MN_DIGEST_GIT) {
        char head[40];
        int n = snprintf(head, sizeof head, "blob %lld", (long long)size_bytes);
        mn_digest_add(d, head, (size_t)n + 1);
    }
    return MINERVA_OK;
}

void mn_digest_add(mn_digest *d, const void *bytes, size_t n)
{
    if (!EVP_DigestUpdate(d->md, bytes, n)) d->failed = true;
}

void mn_digest_finish(mn_digest *d, char hex[MN_DIGEST_HEX])
{
    unsigned char out[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (d->failed || !EVP_DigestFinal_ex(d->md, out, &n)) n = 0;    /* equals nothing */
    for (unsigned i = 0; i < n && i < 32; i++) snprintf(hex + 2 * i, 3, "%02x", out[i]);
    hex[2 * n] = 0;
}

void mn_digest_free(mn_digest *d)
{
    if (!d) return;
    EVP_MD_CTX_free(d->md);
    free(d);
}

bool mn_digest_is_hex(mn_digest_kind kind, const char *s)
{
    size_t n = kind == MN_DIGEST_GIT ? 40 : 64;
    return strlen(s) == n && strspn(s, "0123456789abcdef") == n;
}

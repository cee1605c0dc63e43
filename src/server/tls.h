/* TLS for http.c, by OpenSSL under libevent's bufferevents. */
#ifndef MN_SERVER_TLS_H
#define MN_SERVER_TLS_H

#include "minerva.h"

struct bufferevent;
struct event_base;
typedef struct mn_tls mn_tls;

/* TLS 1.2 and newer.  cert: the chain, own certificate first; key: fits to it. */
minerva_status mn_tls_create(mn_tls **out, const char *cert, const char *key,
                             minerva_error *err);
/* Connections that use it live on. */
void mn_tls_free(mn_tls *t);
/* The server's side of a connection; NULL: out of memory, and fd is still open. */
struct bufferevent *mn_tls_accept(mn_tls *t, struct event_base *base, int fd);
/* Tell the client that nothing more comes (as far as that can be done without waiting). */
void mn_tls_say_end(struct bufferevent *bev);

#endif

/* request_ends.h - the one place that hears of every request that ends, and tells those who log and count.
 * Called once for each, with a record (session/request_end.h). With nobody to tell, nobody is called: requests pay nothing. Loop thread only. */
#ifndef HS_SERVER_REQUEST_ENDS_H
#define HS_SERVER_REQUEST_ENDS_H

#include "dispatch/dispatch.h"
#include "http/h1.h"
#include "session/request_end.h"

typedef void hs_request_end_func(void *arg, const struct hs_request_end *e);

enum { HS_REQUEST_END_USERS = 4 };

/* Embedded in a server; all zeros at first. */
struct hs_request_ends {
    struct {
        hs_request_end_func *fn;
        void *arg;
    } users[HS_REQUEST_END_USERS];
    size_t n;
    void (*count)(void *arg, ec_httpsrv_session *sess); /* NULL: nobody */
    void *count_arg;
    struct hs_dispatch *dispatch; /* NULL until attached */
    struct hs_loop *loop;
};

/* Has fn told from now on, of requests that end after those told before. 0; ENOSPC. Not from within such a call. */
int hs_request_ends_add(struct hs_request_ends *ends, hs_request_end_func *fn, void *arg);
/* Has fn called for each session whose request ends, before those who want a record: for who counts all of them and needs no more than its getters. Once. */
void hs_request_ends_count(struct hs_request_ends *ends, void (*fn)(void *arg, ec_httpsrv_session *sess), void *arg);
/* No more. Harmless when it is not there. */
void hs_request_ends_remove(struct hs_request_ends *ends, hs_request_end_func *fn, void *arg);
/* Hears of the requests of a dispatcher, which must not outlive ends. */
void hs_request_ends_attach(struct hs_request_ends *ends, struct hs_dispatch *d, struct hs_loop *loop);
/* A driver has refused a request (hs_h1_on_refused). */
void hs_request_ends_refused(const struct hs_request_ends *ends, const struct hs_h1_refused *r);

#endif

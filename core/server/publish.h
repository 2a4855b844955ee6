/* publish.h - what a server counts, written to its slot of the page: requests as they end, everything else at each beat.
 * A slot is written by one process at a time, in the server's thread. Counters are added to, so what a former process has counted there goes on. Part of struct httpsrv_server. */
#ifndef HS_SERVER_PUBLISH_H
#define HS_SERVER_PUBLISH_H

#include "modules/listeners/httpsrv.h"
#include "server/page.h"

struct httpsrv_server;

struct server_publisher {
    struct hs_page *page; /* of its own; NULL: the slot is another's */
    struct hs_page_slot *slot;
    uint64_t burst;              /* requests that have ended since their bytes were read, and whose answers are about to leave */
    uint64_t told[HS_COUNTS];    /* what this process has added so far */
    struct {
        uint64_t done, wait_time, run_time;
    } pools_told[HS_PAGE_POOLS];
    int64_t longest[2]; /* turns of this half minute, and of the one before */
    int64_t half_since;
};

/* Chooses the slot, before the server is started; it outlives the server. Without this start makes a page of the server's own. */
void hs_server_use_slot(struct httpsrv_server *s, struct hs_page_slot *slot);
/* While it runs: what it counts from now on goes to another slot, and so does what there is. */
void hs_server_change_slot(struct httpsrv_server *s, struct hs_page_slot *slot);
/* The page of its own; NULL: before start, or the slot is another's. */
struct hs_page *hs_server_page(struct httpsrv_server *s);
/* The server has its floors: begins to count. 0 or ENOMEM. */
int server_publisher_start(struct httpsrv_server *s);
/* Frees a page of its own. */
void server_publisher_fini(struct httpsrv_server *s);
/* Writes all that is not written as it happens. */
void hs_server_publish(struct httpsrv_server *s);

#endif

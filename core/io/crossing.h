/* crossing.h - calls from a pool thread into a loop, waited for.
 * The caller's thread stands still until the loop has replied, or until the group of calls that it belongs to has been closed, which is how
 * a job is freed from a loop that will not reply any more (its session has been aborted, the server ends). */
#ifndef HS_IO_CROSSING_H
#define HS_IO_CROSSING_H

#include <pthread.h>
#include <stdbool.h>

#include "io/loop.h"

/* What is closed together: the calls of one job. Reference counted; any thread. */
struct hs_crossing_group;
struct hs_crossing_group *hs_crossing_group_new(void); /* one reference; NULL: out of memory */
void hs_crossing_group_addref(struct hs_crossing_group *g);
void hs_crossing_group_delref(struct hs_crossing_group *g); /* NULL is fine */
/* Frees all who wait, and makes later calls fail at once. Never waits; harmless a second time. */
void hs_crossing_group_close(struct hs_crossing_group *g);
/* The group of the job that the calling thread runs; NULL: none. Set by whoever runs the job, who holds a reference meanwhile. */
struct hs_crossing_group *hs_crossing_group_current(void);
void hs_crossing_group_set_current(struct hs_crossing_group *g);

/* One call; embedded at the front of a struct from malloc(3), which free(c) is called for in the end, in either thread. */
struct hs_crossing {
    LIST_ENTRY(hs_crossing) link;
    struct hs_post post;
    struct hs_crossing_group *group;
    void (*run)(struct hs_crossing *c);  /* on the loop: ends in hs_crossing_reply, now or later */
    void (*free)(struct hs_crossing *c); /* frees what it holds and itself */
    pthread_cond_t changed;
    int refs; /* all under the group's lock */
    bool inside, replied, dead;
};
/* Readies c, which is then to be given to hs_crossing_call. 0 or ENOMEM; c stays the caller's when it fails. */
int hs_crossing_init(struct hs_crossing *c, void (*run)(struct hs_crossing *c), void (*free)(struct hs_crossing *c));
/* Has c->run called on the loop and waits for the reply: 0. ECANCELED: the group was closed; run has not been called, or there will be no further
 * hs_crossing_enter. Either way the caller gives its hold of c back with hs_crossing_drop. Not from the loop's own thread. */
int hs_crossing_call(struct hs_crossing *c, struct hs_crossing_group *g, struct hs_loop *loop);
void hs_crossing_drop(struct hs_crossing *c);

/* On the loop. run is called inside; a callback that comes later first enters: false when nobody waits any more, then only hs_crossing_reply is
 * left to be done. While inside, what the caller lent stays valid. Leaves without a reply: the caller goes on waiting. */
bool hs_crossing_enter(struct hs_crossing *c);
void hs_crossing_leave(struct hs_crossing *c);
/* Replies, leaves, and gives up the loop's hold of c. */
void hs_crossing_reply(struct hs_crossing *c);

#endif

/* dev_watch.h - tells when scripts have changed, for --dev: what ends in .lua in a directory and below it, or beside a single script and in its lib.
 * inotify(7). What changes in a short time is told once. Loop thread. */
#ifndef HS_SERVER_DEV_WATCH_H
#define HS_SERVER_DEV_WATCH_H

#include "io/loop.h"

struct hs_dev_watch;

/* path: what is served, a directory or a file. changed(arg) is called on the loop, a tenth of a second after the last of some changes, or one second
 * after the first. 0; errno of inotify_init1(2), ENOMEM; of a directory that cannot be watched, the log tells. */
int hs_dev_watch_new(struct hs_loop *loop, const char *path, hs_callback *changed, void *arg, struct hs_dev_watch **out);
/* The same for who goes on without: an error is logged, and *out NULL then. */
void hs_dev_watch_try(struct hs_loop *loop, const char *path, hs_callback *changed, void *arg, struct hs_dev_watch **out);
/* NULL is ignored. */
void hs_dev_watch_free(struct hs_dev_watch *w);

#endif

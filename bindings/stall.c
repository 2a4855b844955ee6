/* stall.c - says what a loop does that does not come round.
 * Three places run this code: the loop's thread (add, remove, the beat, the profiler's callback, which is called between two instructions of Lua), the
 * watching thread, and a signal handler in the loop's thread. What they share is atomic, or handed from the handler to the watching thread by a
 * semaphore. The handler calls nothing that allocates or locks; it has a child of the process walk the stack, whose end is no matter. */
#include "bindings/stall.h"

#include <errno.h>
#include <execinfo.h>
#include <luajit.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "bindings/enter.h"
#include "bindings/req.h"
#include "bindings/task.h"

#define SIGNAL (SIGRTMIN + 2)
#define MODE "li2000000000" /* by lines; ms of processor time between two samples */
#define PERIOD_MIN (20 * HS_MSEC)
#define PERIOD_MAX HS_SEC
#define ANSWER_TIME (500 * HS_MSEC) /* for the Lua state */
#define HANDLER_TIME HS_SEC         /* for the signal handler */

enum { MAX_FRAMES = 64, MAX_LUA_FRAMES = 60, WHERE_MAX = 512, TEXT_MAX_BYTES = 16 * 1024 };

static struct {
    bool on;
    int64_t limit, period;
    struct hs_timer timer;
    pthread_t loop_thread, thread;
    sem_t stop;
    atomic_uint beats;
    /* the loop's thread, and its signal handler */
    struct hs_lua_runtime *volatile first; /* by their stall_next */
    struct hs_lua_runtime *current;        /* has the profiler */
    /* a stall that is being reported */
    atomic_bool asked; /* the profiler's callback is to write; taken back by who does */
    _Atomic int64_t still;
    sem_t answered, noted;
    char where[WHERE_MAX];
    int fd;      /* where the frames are written: a file in memory */
    pid_t child; /* who writes them */
} watch;

/* --- what is being worked for: also in the signal handler --- */

static size_t
put(size_t at, const char *p, size_t n)
{
    n = n < WHERE_MAX - 1 - at ? n : WHERE_MAX - 1 - at;
    memcpy(watch.where + at, p, n);
    watch.where[at + n] = '\0';
    return at + n;
}

static size_t
put_text(size_t at, const char *text)
{
    return put(at, text, strlen(text));
}

/* The task whose Lua is running; NULL: none is. */
static struct hs_task *
running_task(void)
{
    for (struct hs_lua_runtime *rt = watch.first; rt != NULL; rt = rt->stall_next) {
        if (rt->entered != 0 && rt->current != NULL) {
            return rt->current;
        }
    }
    return NULL;
}

/* "a handler of GET /path (a.lua:12)" */
static void
note_where(void)
{
    struct hs_task *t = running_task();
    watch.where[0] = '\0';
    if (t == NULL) {
        (void)put_text(0, "no Lua code");
        return;
    }
    size_t at = put_text(0, "a ");
    at = put_text(at, t->ops != NULL ? t->ops->what : "task");
    ec_httpsrv_session *sess = t->sess != NULL ? t->sess : t->req != NULL ? t->req->sess : NULL;
    if (sess == NULL) {
        return;
    }
    const struct hs_view method = hs_session_method_view(sess);
    const struct hs_view path = hs_session_path(sess);
    const char *where = hs_session_where(sess);
    at = put_text(at, " of ");
    at = put(at, method.p, method.n);
    at = put_text(at, " ");
    at = put(at, path.p, path.n);
    if (where != NULL) {
        at = put_text(at, " (registered at ");
        at = put_text(at, where);
        (void)put_text(at, ")");
    }
}

/* --- the answer of the Lua state --- */

static double
seconds_still(void)
{
    return (double)atomic_load(&watch.still) / (double)HS_SEC;
}

static void
on_profile(void *data, lua_State *L, int samples, int state)
{
    size_t n;
    (void)data;
    (void)samples;
    (void)state;
    if (!atomic_exchange(&watch.asked, false)) {
        return;
    }
    const char *text = luaJIT_profile_dumpstack(L, "pl: in f\n", MAX_LUA_FRAMES, &n);
    note_where();
    hs_log(HS_LOG_ERROR, "the event loop has stood still for %.1f s in %s:\n%.*s", seconds_still(), watch.where, (int)n, text);
    (void)sem_post(&watch.answered);
}

/* --- the signal handlers --- */

/* In a child that is thrown away: a stack with frames of code that LuaJIT has compiled may be more than the unwinder can bear, which then aborts. */
static void
write_frames(void)
{
    static const int fatal[] = { SIGABRT, SIGSEGV, SIGBUS };
    void *frames[MAX_FRAMES];

    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++) {
        (void)signal(fatal[i], SIG_DFL);
    }
    (void)setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
    (void)alarm(1);
    const int n = backtrace(frames, MAX_FRAMES);
    backtrace_symbols_fd(frames, n, watch.fd);
    _exit(0);
}

static void
on_signal(int number)
{
    const int saved = errno;
    (void)number;
    if (pthread_equal(pthread_self(), watch.loop_thread)) {
        note_where();
        watch.child = _Fork(); /* fork(2) as it is allowed here */
        if (watch.child == 0) {
            write_frames();
        }
        (void)sem_post(&watch.noted);
    }
    errno = saved;
}

/* What SIGPROF does while no state has the profiler. */
static void
do_nothing(int number)
{
    (void)number;
}

static void
handle(int number, void (*fn)(int))
{
    struct sigaction sa = { .sa_handler = fn, .sa_flags = SA_RESTART };
    (void)sigemptyset(&sa.sa_mask);
    (void)sigaction(number, &sa, NULL);
}

/* --- the watching thread --- */

/* Whether sem was posted within ns. */
static bool
wait_for(sem_t *sem, int64_t ns)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    ns += until.tv_nsec;
    until.tv_sec += (time_t)(ns / HS_SEC);
    until.tv_nsec = (long)(ns % HS_SEC);
    int err;
    do {
        err = sem_clockwait(sem, CLOCK_MONOTONIC, &until);
    } while (err != 0 && errno == EINTR);
    return err == 0;
}

static void
drain(sem_t *sem)
{
    while (sem_trywait(sem) == 0) {
    }
}

/* The frames as text: whoever writes them allocates nothing, for the stack may stand inside of malloc(3), which is locked then. */
static size_t
read_frames(char *dst, size_t size)
{
    if (watch.child < 0) {
        return 0;
    }
    while (waitpid(watch.child, NULL, 0) < 0 && errno == EINTR) { /* it does not live long */
    }
    ssize_t n = pread(watch.fd, dst, size, 0);
    return n > 0 ? (size_t)n : 0;
}

static void
report_native(void)
{
    static char text[TEXT_MAX_BYTES]; /* the watching thread only */
    drain(&watch.noted);
    watch.fd = memfd_create("httpsrv-stall", MFD_CLOEXEC);
    if (pthread_kill(watch.loop_thread, SIGNAL) != 0 || !wait_for(&watch.noted, HANDLER_TIME)) {
        hs_log(HS_LOG_ERROR, "the event loop has stood still for %.1f s, in the kernel", seconds_still());
        return; /* the descriptor stays: the handler may yet come */
    }
    const size_t n = read_frames(text, sizeof text);
    hs_log(HS_LOG_ERROR, "the event loop has stood still for %.1f s in %s%s%.*s", seconds_still(), watch.where,
           n != 0 ? "; the stack of its C code:\n" : "; its stack cannot be read", (int)n, text);
    (void)close(watch.fd);
}

static void
report(void)
{
    drain(&watch.answered);
    atomic_store(&watch.asked, true);
    if (pthread_kill(watch.loop_thread, SIGPROF) == 0 && wait_for(&watch.answered, ANSWER_TIME)) {
        return;
    }
    if (atomic_exchange(&watch.asked, false)) {
        report_native();
    } /* else it is answering right now */
}

/* Counts periods, not time: while the whole process is stopped, none passes. */
static void *
watching(void *arg)
{
    unsigned last = atomic_load(&watch.beats);
    int64_t still = 0;
    bool reported = false;
    (void)arg;
    while (!wait_for(&watch.stop, watch.period)) {
        const unsigned now = atomic_load(&watch.beats);
        if (now != last) {
            if (reported) {
                hs_log(HS_LOG_WARN, "the event loop comes round again, after %.1f s", (double)still / (double)HS_SEC);
            }
            last = now;
            still = 0;
            reported = false;
            continue;
        }
        still += watch.period;
        atomic_store(&watch.still, still);
        if (still > watch.limit && !reported) {
            reported = true;
            report();
        }
    }
    return NULL;
}

static int
start_thread(void)
{
    sigset_t all, saved;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &saved); /* signals are the loop's */
    const int err = pthread_create(&watch.thread, NULL, watching, NULL);
    (void)pthread_sigmask(SIG_SETMASK, &saved, NULL);
    return err;
}

/* --- the loop's thread --- */

static void
on_beat(void *arg)
{
    (void)arg;
    atomic_fetch_add_explicit(&watch.beats, 1, memory_order_relaxed);
    if (hs_timer_set(&watch.timer, watch.period) != 0) {
        hs_log(HS_LOG_ERROR, "out of memory: the watchdog will see a stall where there is none");
    }
}

int
hs_stall_watch(struct hs_loop *loop, int64_t limit)
{
    if (watch.on) {
        return EBUSY;
    }
    watch.limit = limit;
    watch.period = limit / 10 < PERIOD_MIN ? PERIOD_MIN : limit / 10 > PERIOD_MAX ? PERIOD_MAX : limit / 10;
    watch.loop_thread = pthread_self();
    watch.first = watch.current = NULL;
    (void)backtrace((void *[1]){ NULL }, 1); /* loads what it needs */
    if (sem_init(&watch.stop, 0, 0) != 0 || sem_init(&watch.answered, 0, 0) != 0 || sem_init(&watch.noted, 0, 0) != 0) {
        return ENOMEM;
    }
    hs_timer_init(&watch.timer, loop, on_beat, NULL);
    int err = hs_timer_set(&watch.timer, watch.period);
    if (err != 0) {
        return err;
    }
    handle(SIGPROF, do_nothing);
    handle(SIGNAL, on_signal);
    err = start_thread();
    if (err != 0) {
        hs_timer_cancel(&watch.timer);
        return err;
    }
    watch.on = true;
    return 0;
}

void
hs_stall_unwatch(void)
{
    if (!watch.on) {
        return;
    }
    watch.on = false;
    (void)sem_post(&watch.stop);
    (void)pthread_join(watch.thread, NULL);
    hs_timer_cancel(&watch.timer);
    (void)sem_destroy(&watch.stop);
    (void)sem_destroy(&watch.answered);
    (void)sem_destroy(&watch.noted);
}

void
hs_stall_add(struct hs_lua_runtime *rt)
{
    if (!watch.on || rt->pooled) {
        return;
    }
    rt->stall_next = watch.first;
    atomic_signal_fence(memory_order_seq_cst);
    watch.first = rt;
    /* What is compiled in it is compiled so that the profiler can interrupt it; that itself is not taken from another state by this. */
    luaJIT_profile_start(rt->L, MODE, on_profile, NULL);
    if (watch.current == NULL) {
        watch.current = rt;
    }
}

void
hs_stall_set_current(struct hs_lua_runtime *rt)
{
    if (!watch.on || rt->pooled || watch.current == rt) {
        return;
    }
    if (watch.current != NULL) {
        luaJIT_profile_stop(watch.current->L);
    }
    watch.current = rt;
    luaJIT_profile_start(rt->L, MODE, on_profile, NULL);
}

void
hs_stall_remove(struct hs_lua_runtime *rt)
{
    if (!watch.on || rt->pooled) {
        return;
    }
    if (watch.current == rt) {
        luaJIT_profile_stop(rt->L);
        watch.current = NULL;
    }
    if (watch.first == rt) {
        watch.first = rt->stall_next;
        return;
    }
    for (struct hs_lua_runtime *it = watch.first; it != NULL; it = it->stall_next) {
        if (it->stall_next == rt) {
            it->stall_next = rt->stall_next;
            return;
        }
    }
}

/* openloop.c - a load generator at a constant rate, for latency.
 *
 * Request number i is due at start + i / rate, whatever the server does. A time is counted from when the request was
 * due, not from when it could be sent, so a server that stands still for 100 ms is charged for every request that it
 * would have had to answer meanwhile (no coordinated omission). Requests wait in order of their due time for a free
 * connection; that there is none is the server's fault and counted as its time.
 *
 * The generator's own lateness (a due request and a free connection, and yet sent late) is printed beside the
 * result: times are worth nothing when that is not far below them. It spins rather than sleeps when the next request
 * is near, so give it a core of its own.
 *
 * openloop -r REQUESTS -c CONNECTIONS -q RATE -t SECONDS [-w WARM-UP SECONDS] PORT; prints one line of JSON.
 */
#include "client.h"
#include "hist.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>

enum { SPIN_NS = 60000 }; /* when the next request is nearer than this, look again at once */

static struct client client;
static struct hist times, lateness;
static double rate = 1000, seconds = 1, warm_up = 0.2;
static struct client_conn **idle;
static unsigned idle_count;
static uint64_t start;
static uint64_t sent;  /* the next request's number */
static uint64_t total; /* where the numbers end */

static uint64_t
due(uint64_t number)
{
    return start + (uint64_t)((double)number * 1e9 / rate);
}

static void
send_due(struct client_conn *conn)
{
    conn->started = due(sent++);
    client_send(&client, conn, 1);
}

static void
on_reply(struct client *self, struct client_conn *conn, uint64_t now)
{
    (void)self;
    hist_add(&times, now > conn->started ? now - conn->started : 0);
    if (sent < total && due(sent) <= now) {
        send_due(conn); /* overdue: it waited for a connection */
    } else {
        idle[idle_count++] = conn;
    }
}

/* Sends `number` requests as they become due, then awaits the answers. */
static void
run(uint64_t number)
{
    total = number;
    sent = 0;
    idle_count = 0;
    for (unsigned i = 0; i < client.options.connections; i++) {
        idle[idle_count++] = &client.conns[i];
    }
    client_counters_reset(&client);
    hist_reset(&times);
    hist_reset(&lateness);
    start = client_now();
    while (client.replies < sent || sent < total) {
        uint64_t now = client_now();
        int64_t wait = -1;

        if (sent < total) {
            if (due(sent) <= now && idle_count > 0) {
                hist_add(&lateness, now - due(sent));
                send_due(idle[--idle_count]);
            }
            wait = due(sent) > now + SPIN_NS ? (int64_t)(due(sent) - now - SPIN_NS) : 0;
            if (idle_count == 0) {
                wait = -1;
            }
        }
        client_poll(&client, wait);
    }
}

static void
option(int letter, const char *value)
{
    switch (letter) {
    case 'q':
        rate = strtod(value, NULL);
        break;
    case 't':
        seconds = strtod(value, NULL);
        break;
    case 'w':
        warm_up = strtod(value, NULL);
        break;
    default:
        break;
    }
}

int
main(int argc, char **argv)
{
    struct client_options options;
    uint64_t end;

    signal(SIGPIPE, SIG_IGN);
    client_options_read(&options, argc, argv, "q:t:w:", option, "-q RATE -t SECONDS [-w SECONDS]");
    if (!(rate >= 1) || !(seconds > 0) || options.pipeline != 1) {
        fprintf(stderr, "openloop: the rate is at least 1, the time above 0 and the pipeline 1\n");
        return 2;
    }
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    client.on_reply = on_reply;
    idle = calloc(options.connections, sizeof(struct client_conn *));
    if (idle == NULL) {
        client_die("memory");
    }
    client_open(&client, &options);
    if (warm_up > 0) {
        run((uint64_t)(rate * warm_up));
    }
    run((uint64_t)(rate * seconds));
    end = client_now();
    printf("{\"rate\": %.1f, \"seconds\": %.6f, \"sent\": %llu, ", rate, (double)(end - start) / 1e9,
           (unsigned long long)sent);
    client_print_json(&client);
    printf(", ");
    hist_print_json(&times, "");
    printf(", ");
    hist_print_json(&lateness, "late_");
    printf("}\n");
    return 0;
}

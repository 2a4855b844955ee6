/* closedloop.c - a load generator that keeps every connection busy: the next requests leave when the last are answered.
 *
 * It opens its connections, sees one answer on each, prints "ready", and then obeys lines on standard input, each
 * answered by one line of JSON: "requests N" sends exactly N, "seconds S" goes on for S seconds and awaits what is in
 * flight, "send" sends on every connection and awaits nothing, "wait" awaits what "send" has sent. The end of the
 * input ends it. So whoever measures the server can look at it between two runs over the same open connections, and
 * knows exactly how many requests lie between two looks.
 *
 * Times are those of a closed loop: they say how long answers queue, not what a user waits; openloop.c is for that.
 */
#include "client.h"
#include "hist.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static struct client client;
static struct hist times;
static uint64_t budget;   /* requests still to be sent */
static uint64_t flying;   /* requests sent and not answered */
static uint64_t deadline; /* no request is sent after this, ns */

static void
next(struct client_conn *conn, uint64_t now)
{
    unsigned number = client.options.pipeline < budget ? client.options.pipeline : (unsigned)budget;

    if (number > 0 && now < deadline) {
        budget -= number;
        flying += number;
        conn->started = now;
        client_send(&client, conn, number);
    }
}

static void
on_reply(struct client *self, struct client_conn *conn, uint64_t now)
{
    (void)self;
    hist_add(&times, now - conn->started);
    flying--;
    if (conn->in_flight == 0) {
        next(conn, now);
    }
}

static void
run(uint64_t requests, uint64_t ns)
{
    uint64_t begin = client_now(), end;

    budget = requests;
    deadline = begin + ns;
    hist_reset(&times);
    client_counters_reset(&client);
    for (unsigned i = 0; i < client.options.connections; i++) {
        next(&client.conns[i], client_now());
    }
    while (flying > 0) {
        client_poll(&client, -1);
    }
    end = client_now();
    printf("{\"seconds\": %.9f, ", (double)(end - begin) / 1e9);
    client_print_json(&client);
    printf(", ");
    hist_print_json(&times, "");
    printf("}\n");
}

static void
send_all(void)
{
    budget = UINT64_MAX;
    deadline = UINT64_MAX;
    for (unsigned i = 0; i < client.options.connections; i++) {
        if (client.conns[i].in_flight == 0) {
            next(&client.conns[i], client_now());
        }
        client_poll(&client, 0);
    }
    budget = 0;
    printf("{\"waiting\": %llu}\n", (unsigned long long)flying);
}

static void
await_all(void)
{
    budget = 0;
    while (flying > 0) {
        client_poll(&client, -1);
    }
    printf("{\"waiting\": 0, ");
    client_print_json(&client);
    printf("}\n");
}

static void
no_option(int letter, const char *value)
{
    (void)letter;
    (void)value;
}

int
main(int argc, char **argv)
{
    struct client_options options;
    struct rlimit files;
    char line[128];

    signal(SIGPIPE, SIG_IGN);
    client_options_read(&options, argc, argv, "", no_option, "");
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    client.on_reply = on_reply;
    client_open(&client, &options);
    printf("ready\n");
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (strncmp(line, "requests ", 9) == 0) {
            run(strtoull(line + 9, NULL, 10), UINT64_MAX / 2);
        } else if (strncmp(line, "seconds ", 8) == 0) {
            run(UINT64_MAX, (uint64_t)(strtod(line + 8, NULL) * 1e9));
        } else if (strcmp(line, "send\n") == 0) {
            send_all();
        } else if (strcmp(line, "wait\n") == 0) {
            await_all();
        } else {
            fprintf(stderr, "closedloop: unknown command: %s", line);
            return 2;
        }
    }
    return 0;
}

/* prometheus.h - what is counted, in the text format of Prometheus (version 0.0.4). docs/observability.md says what each metric means. Reads the page, changes
 * nothing. The thread of the loop. */
#ifndef HS_SERVER_PROMETHEUS_H
#define HS_SERVER_PROMETHEUS_H

#include "base/buf.h"
#include "server/oversight.h"

#define HS_PROMETHEUS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* 0, ENOMEM, EMSGSIZE. */
int hs_prometheus_write(const struct hs_oversight *o, struct hs_buf *out);

#endif

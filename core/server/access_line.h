/* access_line.h - lines of the access log: of a request that has ended, as text. No I/O; any thread, with a clock of its own.
 *
 * Nothing that a request holds can forge a line or break what reads it. What comes from outside is escaped and each field cut at a limit of its own:
 *   combined  '"', '\', and all bytes but 0x20-0x7e as \xHH, as nginx does it; in the user's name blanks too
 *   JSON      a string of RFC 8259, valid UTF-8 whatever comes: a byte that is none is read as Latin-1 (\u00HH); control characters, U+0080 to
 *             U+009F, U+2028 and U+2029, which some readers take for the end of a line, are escaped */
#ifndef HS_SERVER_ACCESS_LINE_H
#define HS_SERVER_ACCESS_LINE_H

#include "session/request_end.h"

enum hs_access_format { HS_ACCESS_COMBINED, HS_ACCESS_JSON };

enum {
    HS_ACCESS_TARGET_MAX = 8192, /* bytes that a field may take when it is escaped; the others are less */
    HS_ACCESS_LINE_MAX = 16384,  /* room that a line needs; it is never longer */
};

/* What is the same in many lines, as text: the time, made once a second, and the status that was written last. All zeros at first. */
struct hs_access_clock {
    int64_t begin; /* of the second that the text is of: ns since 1970 */
    size_t n;
    char text[48]; /* combined: with all that stands between the address and the request line where there is no user */
    int status;
    size_t status_n;
    char status_text[16]; /* combined: with what stands around it */
};

/* What a record does not say. */
struct hs_access_more {
    struct hs_view client;     /* address of the client, as far as it can be trusted; NULL: that of the peer, where it is noted */
    struct hs_view request_id; /* JSON; empty: none */
    int64_t wallclock;         /* ns since 1970: when the request ended */
    unsigned worker;           /* JSON */
};

/* Writes a line of either format, its newline included, at dst; returns its length. A clock serves one format. A request that got no status is
 * written with 499 in the combined format, which has no word for it. */
size_t hs_access_line(enum hs_access_format format, char dst[HS_ACCESS_LINE_MAX], struct hs_access_clock *clock, const struct hs_request_end *e,
                      const struct hs_access_more *more);
/* The same in the combined format, for which of a struct hs_access_more these are enough. */
size_t hs_access_combined(char dst[HS_ACCESS_LINE_MAX], struct hs_access_clock *clock, const struct hs_request_end *e, struct hs_view client,
                          int64_t wallclock);

#endif

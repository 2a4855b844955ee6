/* field_match.h - hs_field_lookup's own switch, inline: the request parser takes it into its loop, where a call would cost
 * more than the compares. A switch on the length and at most a few integer compares. No state; any thread. */
#ifndef HS_HTTP_FIELD_MATCH_H
#define HS_HTTP_FIELD_MATCH_H

#include "http/field.h"
#include "http/scan.h"

/* Each length has one or two loads that may overlap and together cover the name, so nothing outside it is read:
 * the first bytes and the last ones. hs_field_ends compares the last bytes, hs_field_starts the first. */
static inline bool
hs_field_starts4(struct hs_view v, const char *lit)
{
    return hs_scan_ieq32(v.p, hs_scan_load32(lit));
}

static inline bool
hs_field_ends4(struct hs_view v, const char *lit)
{
    return hs_scan_ieq32(v.p + v.n - 4, hs_scan_load32(lit));
}

static inline bool
hs_field_starts8(struct hs_view v, const char *lit)
{
    return hs_scan_ieq64(v.p, hs_scan_load64(lit));
}

static inline bool
hs_field_ends8(struct hs_view v, const char *lit)
{
    return hs_scan_ieq64(v.p + v.n - 8, hs_scan_load64(lit));
}

static inline enum hs_field_id
hs_field_match(struct hs_view v)
{
    switch (v.n) {
    case 2:
        return (v.p[0] | 0x20) == 't' && (v.p[1] | 0x20) == 'e' ? HS_FIELD_TE : HS_FIELD_OTHER;
    case 4:
        return hs_field_starts4(v, "host") ? HS_FIELD_HOST : hs_field_starts4(v, "date") ? HS_FIELD_DATE : HS_FIELD_OTHER;
    case 5:
        return hs_field_starts4(v, "rang") && hs_field_ends4(v, "ange") ? HS_FIELD_RANGE : HS_FIELD_OTHER;
    case 6:
        return hs_field_starts4(v, "acce") && hs_field_ends4(v, "cept")   ? HS_FIELD_ACCEPT
               : hs_field_starts4(v, "cook") && hs_field_ends4(v, "okie") ? HS_FIELD_COOKIE
               : hs_field_starts4(v, "expe") && hs_field_ends4(v, "pect") ? HS_FIELD_EXPECT
               : hs_field_starts4(v, "serv") && hs_field_ends4(v, "rver") ? HS_FIELD_SERVER
                                                        : HS_FIELD_OTHER;
    case 7:
        return hs_field_starts4(v, "refe") && hs_field_ends4(v, "erer")   ? HS_FIELD_REFERER
               : hs_field_starts4(v, "upgr") && hs_field_ends4(v, "rade") ? HS_FIELD_UPGRADE
               : hs_field_starts4(v, "trai") && hs_field_ends4(v, "iler") ? HS_FIELD_TRAILER
                                                        : HS_FIELD_OTHER;
    case 8:
        return hs_field_starts8(v, "if-range") ? HS_FIELD_IF_RANGE : hs_field_starts8(v, "location") ? HS_FIELD_LOCATION : HS_FIELD_OTHER;
    case 10:
        return hs_field_starts8(v, "connecti") && hs_field_ends8(v, "nnection")   ? HS_FIELD_CONNECTION
               : hs_field_starts8(v, "user-age") && hs_field_ends8(v, "er-agent") ? HS_FIELD_USER_AGENT
               : hs_field_starts8(v, "keep-ali") && hs_field_ends8(v, "ep-alive") ? HS_FIELD_KEEP_ALIVE
               : hs_field_starts8(v, "set-cook") && hs_field_ends8(v, "t-cookie") ? HS_FIELD_SET_COOKIE
                                                                : HS_FIELD_OTHER;
    case 12:
        return hs_field_starts8(v, "content-") && hs_field_ends8(v, "ent-type") ? HS_FIELD_CONTENT_TYPE : HS_FIELD_OTHER;
    case 13:
        return hs_field_starts8(v, "cache-co") && hs_field_ends8(v, "-control")   ? HS_FIELD_CACHE_CONTROL
               : hs_field_starts8(v, "authoriz") && hs_field_ends8(v, "rization") ? HS_FIELD_AUTHORIZATION
               : hs_field_starts8(v, "if-none-") && hs_field_ends8(v, "ne-match") ? HS_FIELD_IF_NONE_MATCH
                                                                : HS_FIELD_OTHER;
    case 14:
        return hs_field_starts8(v, "content-") && hs_field_ends8(v, "t-length") ? HS_FIELD_CONTENT_LENGTH : HS_FIELD_OTHER;
    case 15:
        return hs_field_starts8(v, "accept-e") && hs_field_ends8(v, "encoding")   ? HS_FIELD_ACCEPT_ENCODING
               : hs_field_starts8(v, "accept-l") && hs_field_ends8(v, "language") ? HS_FIELD_ACCEPT_LANGUAGE
               : hs_field_starts8(v, "x-forwar") && hs_field_ends8(v, "rded-for") ? HS_FIELD_X_FORWARDED_FOR
                                                                : HS_FIELD_OTHER;
    case 16:
        return hs_field_starts8(v, "content-") && hs_field_ends8(v, "encoding")   ? HS_FIELD_CONTENT_ENCODING
               : hs_field_starts8(v, "proxy-co") && hs_field_ends8(v, "nnection") ? HS_FIELD_PROXY_CONNECTION
                                                                : HS_FIELD_OTHER;
    case 17: /* the two loads leave byte 8 open: a third one covers it */
        return hs_field_starts8(v, "if-modif") && hs_field_ends8(v, "ed-since") && hs_field_starts4((struct hs_view){ v.p + 6, 4 }, "ifie")
                   ? HS_FIELD_IF_MODIFIED_SINCE
               : hs_field_starts8(v, "transfer") && hs_field_ends8(v, "encoding") && v.p[8] == '-' ? HS_FIELD_TRANSFER_ENCODING
                                                                                 : HS_FIELD_OTHER;
    default:
        return HS_FIELD_OTHER;
    }
}

#endif

/* field.c - the names that have a number, both ways. Knows names only; what a field means is its reader's business. */
#include "http/field.h"

#include "http/field_match.h"

/* The canonical spelling of each id; HS_FIELD_OTHER has none. */
static const struct hs_view canonical[HS_FIELD_IDS] = {
    [HS_FIELD_OTHER] = { "", 0 },
    [HS_FIELD_ACCEPT] = { "Accept", 6 },
    [HS_FIELD_ACCEPT_ENCODING] = { "Accept-Encoding", 15 },
    [HS_FIELD_ACCEPT_LANGUAGE] = { "Accept-Language", 15 },
    [HS_FIELD_AUTHORIZATION] = { "Authorization", 13 },
    [HS_FIELD_CACHE_CONTROL] = { "Cache-Control", 13 },
    [HS_FIELD_CONNECTION] = { "Connection", 10 },
    [HS_FIELD_CONTENT_ENCODING] = { "Content-Encoding", 16 },
    [HS_FIELD_CONTENT_LENGTH] = { "Content-Length", 14 },
    [HS_FIELD_CONTENT_TYPE] = { "Content-Type", 12 },
    [HS_FIELD_COOKIE] = { "Cookie", 6 },
    [HS_FIELD_DATE] = { "Date", 4 },
    [HS_FIELD_EXPECT] = { "Expect", 6 },
    [HS_FIELD_HOST] = { "Host", 4 },
    [HS_FIELD_IF_MODIFIED_SINCE] = { "If-Modified-Since", 17 },
    [HS_FIELD_IF_NONE_MATCH] = { "If-None-Match", 13 },
    [HS_FIELD_IF_RANGE] = { "If-Range", 8 },
    [HS_FIELD_KEEP_ALIVE] = { "Keep-Alive", 10 },
    [HS_FIELD_LOCATION] = { "Location", 8 },
    [HS_FIELD_PROXY_CONNECTION] = { "Proxy-Connection", 16 },
    [HS_FIELD_RANGE] = { "Range", 5 },
    [HS_FIELD_REFERER] = { "Referer", 7 },
    [HS_FIELD_SERVER] = { "Server", 6 },
    [HS_FIELD_SET_COOKIE] = { "Set-Cookie", 10 },
    [HS_FIELD_TE] = { "TE", 2 },
    [HS_FIELD_TRAILER] = { "Trailer", 7 },
    [HS_FIELD_TRANSFER_ENCODING] = { "Transfer-Encoding", 17 },
    [HS_FIELD_UPGRADE] = { "Upgrade", 7 },
    [HS_FIELD_USER_AGENT] = { "User-Agent", 10 },
    [HS_FIELD_X_FORWARDED_FOR] = { "X-Forwarded-For", 15 },
};

struct hs_view
hs_field_canonical(enum hs_field_id id)
{
    return (unsigned)id < HS_FIELD_IDS ? canonical[id] : canonical[HS_FIELD_OTHER];
}

enum hs_field_id
hs_field_lookup(struct hs_view name)
{
    return hs_field_match(name);
}

/* forwarded.h - the address of the client behind proxies, as far as it can be trusted.
 * Each proxy adds whom it has spoken with to a field of the request; what was there before, the client may have made up. So the list counts from its
 * end: as long as the one who speaks is trusted, the entry before is believed, and the first address that is not a trusted proxy's is the client's. What
 * is no address (an obfuscated name, "unknown", nonsense) ends the trust as well: the client is then whoever came with it.
 * Bytes in, addresses out; any thread. */
#ifndef HS_HTTP_FORWARDED_H
#define HS_HTTP_FORWARDED_H

#include "base/cidr.h"
#include "http/request.h"
#include "misc/ec_sockaddr.h"

/* Only one of the two is looked at: a proxy that adds to the one passes on what a client has put into the other. */
enum hs_forwarded_field { HS_FORWARDED_X_FORWARDED_FOR, HS_FORWARDED_FORWARDED /* RFC 7239 */ };

/* The client of a request that came from a trusted peer. False: the field says nothing that can be believed, it is the peer itself. The port is 0
 * where none was said. An address that is trusted itself is given when nobody else is there: it is the first proxy that asks. */
bool hs_forwarded_client(const struct hs_request *req, enum hs_forwarded_field field, const struct hs_cidr_list *trusted, ec_sockaddr *out);

/* Parses an entry: "192.0.2.1", "192.0.2.1:4711", "2001:db8::1" (not of Forwarded), "[2001:db8::1]", "[2001:db8::1]:4711"; a port may be obfuscated
 * ("_x"), it is 0 then. False: it is none. */
bool hs_forwarded_parse(struct hs_view text, enum hs_forwarded_field field, ec_sockaddr *out);

#endif

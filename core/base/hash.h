/* hash.h - a keyed hash of bytes for tables whose keys a peer can choose. Any thread. */
#ifndef HS_BASE_HASH_H
#define HS_BASE_HASH_H

#include <stdint.h>

#include "base/view.h"

/* SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF") of v under a key of two words. */
uint64_t hs_siphash13(const uint64_t key[2], struct hs_view v);

/* The same under a key drawn once for the process, inherited by its children, so that nobody outside can
 * choose colliding keys. Values differ from run to run: never store or send them. */
uint64_t hs_hash(struct hs_view v);

#endif

/* hash.c - SipHash-1-3 and the key of this process.
 * The key comes from getrandom(2), without waiting; early in a boot, before the kernel has randomness, from the clock
 * and the randomised addresses of the process. */
#include "base/hash.h"

#include <pthread.h>
#include <sys/random.h>
#include <time.h>

static uint64_t process_key[2];
static pthread_once_t process_key_once = PTHREAD_ONCE_INIT;

struct state {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t
rotl(uint64_t x, int b)
{
    return x << b | x >> (64 - b);
}

static inline void
sip_round(struct state *s)
{
    s->v0 += s->v1;
    s->v1 = rotl(s->v1, 13) ^ s->v0;
    s->v0 = rotl(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotl(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotl(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotl(s->v1, 17) ^ s->v2;
    s->v2 = rotl(s->v2, 32);
}

/* n <= 8 bytes as a little-endian word. */
static inline uint64_t
word(const char *p, size_t n)
{
    uint64_t w = 0;
    for (size_t i = 0; i < n; i++) {
        w |= (uint64_t)(unsigned char)p[i] << (8 * i);
    }
    return w;
}

uint64_t
hs_siphash13(const uint64_t key[2], struct hs_view v)
{
    struct state s = {
        key[0] ^ 0x736f6d6570736575,
        key[1] ^ 0x646f72616e646f6d,
        key[0] ^ 0x6c7967656e657261,
        key[1] ^ 0x7465646279746573,
    };
    size_t whole = v.n & ~(size_t)7;
    for (size_t i = 0; i < whole; i += 8) {
        uint64_t m = word(v.p + i, 8);
        s.v3 ^= m;
        sip_round(&s);
        s.v0 ^= m;
    }
    uint64_t last = (uint64_t)v.n << 56;
    if (v.n != whole) {
        last |= word(v.p + whole, v.n - whole);
    }
    s.v3 ^= last;
    sip_round(&s);
    s.v0 ^= last;
    s.v2 ^= 0xff;
    sip_round(&s);
    sip_round(&s);
    sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

static void
draw_key(void)
{
    if (getrandom(process_key, sizeof process_key, GRND_NONBLOCK) == (ssize_t)sizeof process_key) {
        return;
    }
    struct timespec now = { 0 };
    clock_gettime(CLOCK_REALTIME, &now);
    process_key[0] = (uint64_t)now.tv_sec << 32 ^ (uint64_t)now.tv_nsec ^ (uintptr_t)&now;
    process_key[1] = (uintptr_t)&process_key ^ (uint64_t)now.tv_nsec << 40;
}

uint64_t
hs_hash(struct hs_view v)
{
    pthread_once(&process_key_once, draw_key);
    return hs_siphash13(process_key, v);
}

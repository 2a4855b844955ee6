/* control_frame.h - the numbers of the control protocol, as server and client write and read them. */
#ifndef HS_SERVER_CONTROL_FRAME_H
#define HS_SERVER_CONTROL_FRAME_H

#include <stdint.h>

enum {
    HS_CONTROL_HEAD = 8,       /* of a request: magic and length */
    HS_CONTROL_FRAME_HEAD = 5, /* kind and length */
};

static inline void
hs_control_put32(char *p, uint32_t n)
{
    for (int i = 0; i < 4; i++) {
        p[i] = (char)(unsigned char)(n >> (24 - 8 * i));
    }
}

static inline uint32_t
hs_control_get32(const char *p)
{
    uint32_t n = 0;

    for (int i = 0; i < 4; i++) {
        n = n << 8 | (unsigned char)p[i];
    }
    return n;
}

static inline void
hs_control_frame_head(char *p, char kind, uint32_t n)
{
    p[0] = kind;
    hs_control_put32(p + 1, n);
}

#endif

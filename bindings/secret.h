/* secret.h - random bytes that all processes of one server share, for what one of them seals and another opens. */
#ifndef HS_BINDINGS_SECRET_H
#define HS_BINDINGS_SECRET_H

enum { HS_SECRET_BYTES = 32 };

/* The bytes, made at the first call in a process and the same in what it forks afterwards; NULL: no random bytes are to be had. Any thread. */
const unsigned char *hs_secret(void);

#endif

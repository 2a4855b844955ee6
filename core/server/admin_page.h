/* admin_page.h - the live page, as it was built into the library from core/server/live.html. Read-only; any thread. */
#ifndef HS_SERVER_ADMIN_PAGE_H
#define HS_SERVER_ADMIN_PAGE_H

#include <stddef.h>

extern const char hs_admin_page[];  /* HTML; a NUL follows */
extern const size_t hs_admin_page_len;

#endif

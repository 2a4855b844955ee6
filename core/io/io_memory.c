/* io_memory.c - read-only io_objects over a block of memory.
 * The block is shared by clones and released, as its memtype says, with the last of them. Reads never wait. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "io/io_kind.h"

static const struct hs_io_kind memory_kind;

static struct _io_mem *
memory_of(io_object *io)
{
    return io->io.mem.memory;
}

/* Bytes from the position on. */
static size_t
left(io_object *io)
{
    struct _io_mem *m = memory_of(io);
    return (size_t)io->io.mem.pos < m->len ? m->len - (size_t)io->io.mem.pos : 0;
}

static void
release_bytes(char *buf, size_t len, int memtype)
{
    if (memtype == MEMTYPE_IS_MALLOC_3C) {
        free(buf);
    } else if (memtype == MEMTYPE_IS_MMAP && len != 0) {
        munmap(buf, len);
    }
}

static ssize_t
memory_read(io_object *io, void *buf, size_t n)
{
    size_t have = left(io);
    n = n < have ? n : have;
    if (n != 0) {
        memcpy(buf, memory_of(io)->buf + io->io.mem.pos, n);
        io->io.mem.pos += (off_t)n;
    }
    return (ssize_t)n;
}

static int
memory_peek(struct hs_io *x, const char **p, size_t *len)
{
    *len = left(&x->pub);
    *p = *len != 0 ? memory_of(&x->pub)->buf + x->pub.io.mem.pos : NULL;
    return 0;
}

static void
memory_consume(struct hs_io *x, size_t n)
{
    size_t have = left(&x->pub);
    x->pub.io.mem.pos += (off_t)(n < have ? n : have);
}

static off_t
memory_get_size(io_object *io)
{
    return (off_t)memory_of(io)->len;
}

static off_t
memory_lseek(io_object *io, off_t offset, int whence)
{
    off_t to = hs_io_seek_to(io->io.mem.pos, memory_get_size(io), offset, whence);
    if (to >= 0) {
        io->io.mem.pos = to;
    }
    return to;
}

static int
memory_wait(io_object *io, int what, io_wrapper_wait_func fn, void *arg)
{
    (void)what;
    (void)arg;
    if (fn != NULL) {
        hs_io_wake(hs_io_of(io));
    }
    return 0;
}

static int
memory_close(io_object *io)
{
    struct _io_mem *m = memory_of(io);
    io->io.mem.memory = NULL;
    if (__atomic_sub_fetch(&m->ref, 1, __ATOMIC_ACQ_REL) == 0) {
        release_bytes(m->buf, m->len, m->memtype);
        free(m);
    }
    return 0;
}

static io_object *
memory_clone(io_object *io)
{
    struct hs_io *copy = hs_io_alloc(sizeof *copy, &memory_kind, NULL);
    if (copy == NULL) {
        return NULL;
    }
    __atomic_add_fetch(&memory_of(io)->ref, 1, __ATOMIC_RELAXED);
    copy->pub.io.mem.memory = memory_of(io);
    copy->pub.io.mem.fd_for_sendfile = -1;
    return &copy->pub;
}

static const struct hs_io_kind memory_kind = {
    .w = {
        .sizeof_self = sizeof(io_wrapper),
        .read = memory_read,
        .close = memory_close,
        .lseek = memory_lseek,
        .scheme = "memory",
        .get_size = memory_get_size,
        .cloner = memory_clone,
        .wait = memory_wait,
    },
    .peek = memory_peek,
    .consume = memory_consume,
};

const io_wrapper *
hs_io_memory_methods(void)
{
    return &memory_kind.w;
}

io_object *
io_wrapper_open_memory(const char *blob, size_t len, int memtype)
{
    bool known = memtype == MEMTYPE_DONTCARE || memtype == MEMTYPE_IS_MALLOC_3C || memtype == MEMTYPE_IS_MMAP;
    if (!known || len > (size_t)PTRDIFF_MAX || (blob == NULL && len != 0)) {
        errno = EINVAL;
        return NULL;
    }
    struct _io_mem *m = malloc(sizeof *m);
    struct hs_io *x = m != NULL ? hs_io_alloc(sizeof *x, &memory_kind, NULL) : NULL;
    if (x == NULL) {
        free(m);
        errno = ENOMEM;
        return NULL;
    }
    *m = (struct _io_mem){ .buf = (char *)(uintptr_t)blob, .len = len, .memtype = memtype, .ref = 1 };
    x->pub.io.mem.memory = m;
    x->pub.io.mem.fd_for_sendfile = -1;
    x->pub.options = O_RDONLY;
    return &x->pub;
}

io_object *
io_wrapper_copy_memory(const char *blob, size_t len, int memtype)
{
    memtype = memtype == MEMTYPE_DONTCARE ? MEMTYPE_IS_MALLOC_3C : memtype;
    char *copy = NULL;
    if (len > (size_t)PTRDIFF_MAX || (blob == NULL && len != 0)) {
        errno = EINVAL;
        return NULL;
    }
    if (memtype == MEMTYPE_IS_MMAP && len != 0) {
        copy = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        copy = copy == MAP_FAILED ? NULL : copy;
    } else {
        copy = len != 0 ? malloc(len) : calloc(1, 1);
    }
    if (copy == NULL) {
        errno = ENOMEM;
        return NULL;
    }
    if (len != 0) {
        memcpy(copy, blob, len);
    }
    int held = memtype == MEMTYPE_IS_MMAP && len == 0 ? MEMTYPE_IS_MALLOC_3C : memtype;
    io_object *io = io_wrapper_open_memory(copy, len, held);
    if (io == NULL) {
        int saved = errno;
        release_bytes(copy, len, held == MEMTYPE_IS_MMAP ? MEMTYPE_IS_MMAP : MEMTYPE_IS_MALLOC_3C);
        errno = saved;
    }
    return io;
}

int
io_wrapper_is_memory_based(io_object *io, char **buf, size_t *len)
{
    struct hs_io *x = hs_io_of(io);
    struct _io_mem *m = x->kind == &memory_kind && !x->closed ? memory_of(io) : NULL;
    if (buf != NULL) {
        *buf = m != NULL ? m->buf : NULL;
    }
    if (len != NULL) {
        *len = m != NULL ? m->len : 0;
    }
    return m != NULL ? m->memtype : 0;
}

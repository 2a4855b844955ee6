/* lua_crypto.c - what authentication needs of libcrypto and libcrypt: digests, comparison in constant time, random bytes, password hashes.
 * A password hash is made to be slow: it is computed in the CPU pool while the task waits. The job belongs to the pool while it runs and to a
 * userdata before and after; passwords are wiped with it. */
#include <crypt.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "bindings/arg.h"
#include "bindings/secret.h"
#include "bindings/wait.h"
#include "io/pool.h"

enum { PASSWORD_MAX = 512, SETTING_MAX = 512, RANDOM_MAX = 1024 };

static const char job_type[] = "httpsrv.crypt";

struct crypt_job {
    struct hs_job job;
    struct hs_task *task; /* that waits; NULL: none */
    bool boxed;           /* the userdata lives */
    bool running;
    struct crypt_data data;
    char password[PASSWORD_MAX + 1];
    char setting[SETTING_MAX + 1];
    const char *hash; /* in data; NULL: the setting is none that libcrypt knows */
};

static void
job_free(struct crypt_job *j)
{
    OPENSSL_cleanse(j, sizeof *j);
    free(j);
}

static void
job_run(struct hs_job *job)
{
    struct crypt_job *j = (struct crypt_job *)job;
    const char *hash = crypt_r(j->password, j->setting, &j->data);

    j->hash = hash != NULL && hash[0] != '*' ? hash : NULL;
}

static void
job_done(struct hs_job *job)
{
    struct crypt_job *j = (struct crypt_job *)job;

    j->running = false;
    if (!j->boxed) {
        job_free(j);
    } else if (j->task != NULL) {
        hs_task_wake(j->task, 0);
    }
}

static struct crypt_job *
job_of(lua_State *L)
{
    return *(struct crypt_job **)luaL_checkudata(L, 1, job_type);
}

static int
job_gc(lua_State *L)
{
    struct crypt_job **box = lua_touserdata(L, 1);
    struct crypt_job *j = *box;

    *box = NULL;
    if (j == NULL) {
        return 0;
    }
    j->boxed = false;
    if (!j->running || hs_pool_cancel(hs_pool_cpu(), &j->job)) {
        job_free(j);
    }
    return 0;
}

/* crypt_start(password, setting) -> job | nil, message, code */
static int
l_crypt_start(lua_State *L)
{
    struct hs_view password = hs_lua_arg_bytes(L, 1, 1, "crypt");
    const char *setting = hs_lua_arg_cstring(L, 2, 2, "crypt", false);

    if (password.n > PASSWORD_MAX || strlen(setting) > SETTING_MAX || memchr(password.p, '\0', password.n) != NULL) {
        return hs_lua_fail(L, EINVAL);
    }
    struct crypt_job **box = lua_newuserdata(L, sizeof *box);
    *box = NULL;
    if (luaL_newmetatable(L, job_type) != 0) {
        lua_pushcfunction(L, job_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    struct crypt_job *j = calloc(1, sizeof *j);
    if (j == NULL) {
        return hs_lua_fail(L, ENOMEM);
    }
    memcpy(j->password, password.p, password.n);
    memcpy(j->setting, setting, strlen(setting));
    j->job = (struct hs_job){ .run = job_run, .done = job_done };
    j->boxed = j->running = true;
    int err = hs_pool_submit(hs_pool_cpu(), &j->job);
    if (err != 0) {
        job_free(j);
        return hs_lua_fail(L, err);
    }
    *box = j;
    return 1;
}

static void
disarm_job(struct hs_task *t)
{
    ((struct crypt_job *)t->w.ptr)->task = NULL;
}

/* crypt_wait(job): (again, errno) when it has run */
static int
l_crypt_wait(lua_State *L)
{
    struct hs_lua_runtime *rt = hs_lua_rt(L);
    struct crypt_job *j = job_of(L);

    if (!j->running) {
        lua_pushboolean(L, 1);
        return 1;
    }
    struct hs_task *t = hs_wait_begin(L, rt);
    if (t == NULL) {
        return hs_wait_refuse(L, rt);
    }
    j->task = t;
    t->w.ptr = j;
    return hs_wait_yield(L, t, disarm_job);
}

/* crypt_result(job) -> hash | nil: the setting is none */
static int
l_crypt_result(lua_State *L)
{
    struct crypt_job *j = job_of(L);

    if (j->running || j->hash == NULL) {
        lua_pushnil(L);
    } else {
        lua_pushstring(L, j->hash);
    }
    return 1;
}

/* digest("MD5" | "SHA256", bytes) -> lower-case hexadecimal */
static int
l_digest(lua_State *L)
{
    const char *name = hs_lua_arg_cstring(L, 1, 1, "digest", false);
    struct hs_view v = hs_lua_arg_bytes(L, 2, 2, "digest");
    unsigned char out[EVP_MAX_MD_SIZE];
    char hex[2 * EVP_MAX_MD_SIZE];
    unsigned n = 0;
    const EVP_MD *md = EVP_get_digestbyname(name);

    if (md == NULL || EVP_Digest(v.p, v.n, out, &n, md, NULL) != 1) {
        hs_lua_throw(L, "digest %s: not to be had", name);
    }
    for (unsigned i = 0; i < n; i++) {
        hex[2 * i] = "0123456789abcdef"[out[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[out[i] & 15];
    }
    lua_pushlstring(L, hex, (size_t)n * 2);
    return 1;
}

/* equal(a, b): in a time that depends on neither's bytes: their digests are compared */
static int
l_equal(lua_State *L)
{
    struct hs_view a = hs_lua_arg_bytes(L, 1, 1, "equal");
    struct hs_view b = hs_lua_arg_bytes(L, 2, 2, "equal");
    unsigned char x[EVP_MAX_MD_SIZE], y[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    if (EVP_Digest(a.p, a.n, x, &n, EVP_sha256(), NULL) != 1 || EVP_Digest(b.p, b.n, y, &n, EVP_sha256(), NULL) != 1) {
        hs_lua_throw(L, "digest SHA256: not to be had");
    }
    lua_pushboolean(L, CRYPTO_memcmp(x, y, n) == 0);
    return 1;
}

/* random(n) -> n bytes nobody can guess */
static int
l_random(lua_State *L)
{
    unsigned char bytes[RANDOM_MAX];
    int n = (int)hs_lua_arg_integer(L, 1, 1, "random", 1, RANDOM_MAX);

    if (RAND_bytes(bytes, n) != 1) {
        hs_lua_throw(L, "no random bytes to be had");
    }
    lua_pushlstring(L, (const char *)bytes, (size_t)n);
    return 1;
}

static unsigned char secret[HS_SECRET_BYTES];
static bool secret_made;
static pthread_once_t secret_once = PTHREAD_ONCE_INIT;

static void
make_secret(void)
{
    secret_made = RAND_bytes(secret, sizeof secret) == 1;
}

const unsigned char *
hs_secret(void)
{
    pthread_once(&secret_once, make_secret);
    return secret_made ? secret : NULL;
}

/* secret() -> bytes that nobody outside can guess, the same in all workers */
static int
l_secret(lua_State *L)
{
    const unsigned char *bytes = hs_secret();

    if (bytes == NULL) {
        hs_lua_throw(L, "no random bytes to be had");
    }
    lua_pushlstring(L, (const char *)bytes, HS_SECRET_BYTES);
    return 1;
}

void
hs_lua_open_crypto(lua_State *L, struct hs_lua_runtime *rt)
{
    static const luaL_Reg functions[] = {
        { "crypt_start", l_crypt_start }, { "crypt_wait", l_crypt_wait }, { "crypt_result", l_crypt_result }, { "digest", l_digest },
        { "equal", l_equal },             { "random", l_random },         { "secret", l_secret },
        { NULL, NULL },
    };
    hs_lua_functions(L, rt, functions);
}

/* config_file.c - reads settings from a Lua file that returns a table.
 * Owns the Lua state for as long as the file is read. The state runs without the JIT compiler, so that a hook can end a file that does
 * not end by itself. Everything that may raise an error runs under one lua_pcall. */
#include "server/config_file.h"

#include <errno.h>
#include <libgen.h>
#include <lauxlib.h>
#include <lua.h>
#include <luajit.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"

enum {
    FILE_MAX = 16 * 1024 * 1024,
    HOOK_EVERY = 100000, /* VM instructions between two looks at the clock */
    MESSAGE_MAX = 1024,
    LIST_MAX = 1000,
};

/* What Lua calls the file in its messages; it would cut a long path there. */
#define CHUNK "config"

struct reading {
    struct hs_settings *settings;
    const char *path;
    struct hs_buf source;
    struct timespec deadline;
    hs_config_problem_func *problem;
    void *arg;
    int err; /* of what was told */
};

static void tell(struct reading *r, int line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Tells a problem, with its line when it has one. */
static void
tell(struct reading *r, int line, const char *fmt, ...)
{
    char text[MESSAGE_MAX], message[MESSAGE_MAX + 512];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (line > 0) {
        (void)snprintf(message, sizeof message, "%s:%d: %s", r->path, line, text);
    } else {
        (void)snprintf(message, sizeof message, "%s: %s", r->path, text);
    }
    if (r->err == 0) {
        r->err = EINVAL;
    }
    r->problem(r->arg, message);
}

static bool
is_others(const struct stat *st)
{
    return st->st_uid != 0 || (st->st_mode & S_IWOTH) != 0 || ((st->st_mode & S_IWGRP) != 0 && st->st_gid != 0);
}

/* What root reads here runs as root, before it has become another user: whoever can write it, or put another file in its place, is root. */
static void
warn_of_others(const char *path, int fd)
{
    char *copy = strdup(path);
    struct stat st;

    if (geteuid() == 0 && fstat(fd, &st) == 0 && is_others(&st)) {
        hs_log(HS_LOG_WARN, "%s runs as root, and others than root can write to it", path);
    } else if (geteuid() == 0 && copy != NULL && stat(dirname(copy), &st) == 0 && is_others(&st) && ((st.st_mode & S_ISVTX) == 0 || st.st_uid != 0)) {
        hs_log(HS_LOG_WARN, "%s runs as root, and others than root can write to its directory", path);
    }
    free(copy);
}

/* Reads the file into the buffer. 0, ENOENT or another errno of open(2) and read(2), EFBIG, ENOMEM. */
static int
read_source(const char *path, struct hs_buf *b)
{
    FILE *f = fopen(path, "rbe");
    int err = 0;

    if (f == NULL) {
        return errno;
    }
    warn_of_others(path, fileno(f));
    while (err == 0) {
        err = hs_buf_reserve(b, 4096);
        size_t n = err == 0 ? fread(b->p + b->len, 1, 4096, f) : 0;
        b->len += n;
        if (err == 0 && n == 0) {
            break;
        }
    }
    if (err == 0 && ferror(f)) {
        err = errno != 0 ? errno : EIO;
    }
    (void)fclose(f);
    return err == EMSGSIZE ? EFBIG : err;
}

/* The line on which a name stands as a whole word, 0 when there is none: where a setting was probably made. */
static int
line_of(const struct reading *r, const char *name)
{
    static const char word[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    size_t n = strlen(name);
    const char *p = r->source.p;
    const char *end = p + r->source.len;
    int line = 1;

    for (const char *q = p; n != 0 && (size_t)(end - q) >= n; q++) {
        if (*q == '\n') {
            line++;
        }
        if (memcmp(q, name, n) == 0 && (q == p || memchr(word, q[-1], sizeof word - 1) == NULL) &&
            (q + n == end || memchr(word, q[n], sizeof word - 1) == NULL)) {
            return line;
        }
    }
    return 0;
}

/* --- values --- */

/* Sets one value from the text at the top of the stack. */
static void
set_text(lua_State *L, struct reading *r, const struct hs_setting *which, const char *name)
{
    char why[MESSAGE_MAX];
    size_t n;
    const char *text = lua_tolstring(L, -1, &n);

    if (strlen(text) != n) {
        tell(r, line_of(r, name), "%s: must not contain a NUL", name);
        return;
    }
    int err = hs_setting_set(r->settings, which, text, HS_SOURCE_FILE, why, sizeof why);
    if (err != 0) {
        tell(r, line_of(r, name), "%s: %s, not '%.200s'", name, why, text);
    }
    if (err == ENOMEM) {
        r->err = ENOMEM;
    }
}

/* How many entries the table at the top of the stack has, when it is a list and nothing else: no gaps, no names. 0: it is none, or empty. What
 * would be passed over could be what keeps a door shut. */
static size_t
list_length(lua_State *L)
{
    size_t n = lua_objlen(L, -1), entries = 0;

    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
        entries++;
    }
    return entries == n && n <= LIST_MAX ? n : 0;
}

/* Adds ",name=value" for an option of an address; of true only the name. The value is at the top of the stack. False: it is none. */
static bool
add_option(lua_State *L, struct hs_buf *b, const char *name)
{
    size_t n;

    switch (lua_type(L, -1)) {
    case LUA_TBOOLEAN:
        return hs_buf_printf(b, lua_toboolean(L, -1) ? ",%s" : ",%s=false", name) == 0; /* which options can be false is theirs to say */
    case LUA_TNUMBER:
    case LUA_TSTRING: {
        lua_pushvalue(L, -1); /* lua_tolstring changes what it converts */
        const char *text = lua_tolstring(L, -1, &n);
        bool well = strlen(text) == n && strchr(text, ',') == NULL && hs_buf_printf(b, ",%s=%s", name, text) == 0;
        lua_pop(L, 1);
        return well;
    }
    default:
        return false;
    }
}

/* The options of an address: the table at the top of the stack. */
static bool
add_options(lua_State *L, struct hs_buf *b)
{
    bool well = true;

    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
        const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
        if (strcmp(name, "address") == 0) {
            continue;
        }
        if (lua_type(L, -1) != LUA_TTABLE) {
            well = well && add_option(L, b, name);
            continue;
        }
        int n = (int)list_length(L);
        well = well && n != 0;
        for (int i = 1; i <= n; i++) {
            lua_rawgeti(L, -1, i);
            well = well && add_option(L, b, name);
            lua_pop(L, 1);
        }
    }
    return well;
}

/* An address with options as a table: { address = "unix:/x", mode = "0660" }. It becomes the text that the command line would have. */
static void
set_address(lua_State *L, struct reading *r, const struct hs_setting *which, const char *name)
{
    struct hs_buf b;

    hs_buf_init(&b, 64 * 1024);
    lua_getfield(L, -1, "address");
    const char *address = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : lua_type(L, -1) == LUA_TNUMBER ? lua_tostring(L, -1) : NULL;
    if (address == NULL || strchr(address, ',') != NULL || hs_buf_printf(&b, "%s", address) != 0) {
        tell(r, line_of(r, name), "%s: an entry that is a table must have an address without a comma", name);
        lua_pop(L, 1);
    } else {
        lua_pop(L, 1); /* the table has it still */
        if (add_options(L, &b)) {
            lua_pushlstring(L, b.p, b.len);
            hs_buf_fini(&b);
            set_text(L, r, which, name);
            lua_pop(L, 1);
            return;
        }
        tell(r, line_of(r, name), "%s: options of an address are strings without commas, numbers, booleans, or lists of them", name);
    }
    hs_buf_fini(&b);
}

/* A list at the top of the stack. */
static void
set_list(lua_State *L, struct reading *r, const struct hs_setting *which, const char *name)
{
    size_t n = list_length(L);

    if (n == 0 && which->type == HS_SETTING_ADDRESSES && lua_objlen(L, -1) == 0) {
        set_address(L, r, which, name);
    } else if (n == 0) {
        tell(r, line_of(r, name), "%s: must be a list of strings, at most %d, and nothing else", name, LIST_MAX);
    }
    for (size_t i = 1; i <= n; i++) {
        lua_rawgeti(L, -1, (int)i);
        if (lua_type(L, -1) == LUA_TSTRING || lua_type(L, -1) == LUA_TNUMBER) {
            set_text(L, r, which, name);
        } else if (lua_type(L, -1) == LUA_TTABLE && which->type == HS_SETTING_ADDRESSES) {
            set_address(L, r, which, name);
        } else {
            tell(r, line_of(r, name), "%s: entry %zu must be a string, not a %s", name, i, luaL_typename(L, -1));
        }
        lua_pop(L, 1);
    }
}

static void
set_value(lua_State *L, struct reading *r, const struct hs_setting *which, const char *name)
{
    int type = lua_type(L, -1);

    if (type == LUA_TBOOLEAN) {
        lua_pushstring(L, lua_toboolean(L, -1) ? "true" : "false");
        set_text(L, r, which, name);
        lua_pop(L, 1);
    } else if (type == LUA_TNUMBER || type == LUA_TSTRING) {
        lua_pushvalue(L, -1); /* lua_tolstring changes what it converts */
        set_text(L, r, which, name);
        lua_pop(L, 1);
    } else if (type == LUA_TTABLE && hs_setting_is_list(which)) {
        set_list(L, r, which, name);
    } else {
        tell(r, line_of(r, name), "%s: cannot be a %s", name, luaL_typename(L, -1));
    }
}

/* One pair of the table: key and value are at the top of the stack. */
static void
set_pair(lua_State *L, struct reading *r)
{
    if (lua_type(L, -2) != LUA_TSTRING) {
        tell(r, 0, "settings have names; there is an entry with a %s as its key", luaL_typename(L, -2));
        return;
    }
    const char *name = lua_tostring(L, -2);
    const struct hs_setting *which = hs_setting_find(name);
    if (which == NULL) {
        const struct hs_setting *like = hs_setting_like(name);
        char hint[128] = "";
        if (like != NULL && (like->flags & HS_SETTING_COMMAND_ONLY) == 0) {
            (void)snprintf(hint, sizeof hint, " (did you mean %s?)", like->name);
            for (char *p = hint; *p != '\0'; p++) {
                *p = *p == '-' ? '_' : *p;
            }
        }
        tell(r, line_of(r, name), "unknown setting '%.200s'%s", name, hint);
    } else if ((which->flags & HS_SETTING_COMMAND_ONLY) != 0) {
        tell(r, line_of(r, name), "%s can only be given on the command line", name);
    } else {
        set_value(L, r, which, name);
    }
}

static int
compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Walks the table at index 1 in the order of its names, so that problems come in the same order at each run. The names live
 * in the table, which holds them. */
static void
set_all(lua_State *L, struct reading *r)
{
    size_t n = 0, i = 0;

    for (lua_pushnil(L); lua_next(L, 1) != 0; lua_pop(L, 1)) {
        if (lua_type(L, -2) == LUA_TSTRING) {
            n++;
        } else {
            set_pair(L, r);
        }
    }
    const char **names = lua_newuserdata(L, (n + 1) * sizeof *names);
    for (lua_pushnil(L); lua_next(L, 1) != 0; lua_pop(L, 1)) {
        if (lua_type(L, -2) == LUA_TSTRING && i < n) {
            names[i++] = lua_tostring(L, -2);
        }
    }
    qsort(names, i, sizeof *names, compare_names);
    for (n = i, i = 0; i < n; i++) {
        lua_pushstring(L, names[i]);
        lua_pushvalue(L, -1);
        lua_rawget(L, 1);
        set_pair(L, r);
        lua_pop(L, 2);
    }
}

/* --- running the file --- */

static void
look_at_clock(lua_State *L, lua_Debug *ar)
{
    struct timespec now;

    lua_getfield(L, LUA_REGISTRYINDEX, "httpsrv.reading");
    const struct reading *r = lua_touserdata(L, -1);
    lua_pop(L, 1);
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec > r->deadline.tv_sec || (now.tv_sec == r->deadline.tv_sec && now.tv_nsec > r->deadline.tv_nsec)) {
        /* From now on at each instruction, so that no pcall in a loop goes on after it. */
        lua_sethook(L, look_at_clock, LUA_MASKCOUNT, 1);
        (void)lua_getinfo(L, "Sl", ar);
        lua_pushfstring(L, "%s:%d: took too long", ar->short_src, ar->currentline);
        lua_error(L);
    }
}

/* Under lua_pcall: everything. */
static int
run(lua_State *L)
{
    struct reading *r = lua_touserdata(L, 1);

    luaL_openlibs(L);
    (void)luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
    lua_pushlightuserdata(L, r);
    lua_setfield(L, LUA_REGISTRYINDEX, "httpsrv.reading");
    lua_sethook(L, look_at_clock, LUA_MASKCOUNT, HOOK_EVERY);
    lua_settop(L, 0);
    if (luaL_loadbufferx(L, r->source.p, r->source.len, "=" CHUNK, "t") != 0) {
        return lua_error(L);
    }
    lua_call(L, 0, 1);
    if (lua_type(L, 1) != LUA_TTABLE) {
        tell(r, 0, "must return a table of settings, not a %s", lua_isnil(L, 1) ? "nil (is there a return?)" : luaL_typename(L, 1));
        return 0;
    }
    set_all(L, r);
    return 0;
}

/* A leading "#!" line is for the shell: a comment of the same length. */
static void
hide_shebang(struct hs_buf *b)
{
    if (b->len >= 2 && b->p[0] == '#' && b->p[1] == '!') {
        memcpy(b->p, "--", 2);
    }
}

static void
run_protected(struct reading *r)
{
    lua_State *L = luaL_newstate();

    if (L == NULL) {
        r->err = ENOMEM;
        tell(r, 0, "out of memory");
        return;
    }
    int status = lua_cpcall(L, run, r);
    if (status == LUA_ERRMEM) {
        r->err = ENOMEM;
        tell(r, 0, "out of memory");
    } else if (status != 0) {
        const char *text = lua_tostring(L, -1);
        int line = 0, used = 0;
        if (text != NULL && sscanf(text, CHUNK ":%d: %n", &line, &used) >= 1) {
            text += used;
        }
        tell(r, line, "%s", text != NULL ? text : "(error object is not a string)");
    }
    lua_close(L);
}

int
hs_config_file_read(struct hs_settings *s, const char *path, int load_seconds, hs_config_problem_func *problem, void *arg)
{
    struct reading r = { .settings = s, .path = path, .problem = problem, .arg = arg };

    hs_buf_init(&r.source, FILE_MAX);
    int err = read_source(path, &r.source);
    if (err == 0 && r.source.len != 0 && r.source.p[0] == LUA_SIGNATURE[0]) {
        tell(&r, 0, "is bytecode; only source text is read");
    } else if (err == 0) {
        (void)clock_gettime(CLOCK_MONOTONIC, &r.deadline);
        r.deadline.tv_sec += load_seconds;
        hide_shebang(&r.source);
        run_protected(&r);
    } else if (err != ENOENT) {
        tell(&r, 0, "%s", strerror(err));
    }
    hs_buf_fini(&r.source);
    return err == ENOENT ? ENOENT : r.err;
}

/* Tells what does not go together. 0; EDOM, EINVAL. */
static int
check(const struct hs_settings *s, const char *file, hs_config_problem_func *problem, void *arg)
{
    const struct hs_setting *which;
    char why[256], message[MESSAGE_MAX];

    if (hs_settings_check(s, &which, why, sizeof why) == 0) {
        return 0;
    }
    bool is_of_file = file != NULL && hs_setting_source_of(s, which) == HS_SOURCE_FILE;
    (void)snprintf(message, sizeof message, "%s%s%s: %s", is_of_file ? file : "--", is_of_file ? ": " : "", which->name, why);
    problem(arg, message);
    return is_of_file ? EINVAL : EDOM;
}

int
hs_config_read(struct hs_settings *s, const struct hs_scripts_place *place, hs_config_problem_func *problem, void *arg)
{
    char *own = s->config == NULL ? hs_scripts_config(place) : NULL;
    const char *file = s->config != NULL ? s->config : own;
    char message[MESSAGE_MAX];

    int err = file != NULL ? hs_config_file_read(s, file, HS_CONFIG_SECONDS, problem, arg) : 0;
    if (err == ENOENT && own != NULL) {
        err = 0;
    } else if (err == ENOENT) {
        (void)snprintf(message, sizeof message, "%s: %s", file, strerror(err));
        problem(arg, message);
    }
    int wrong = check(s, file, problem, arg);
    free(own);
    return err != 0 ? err : wrong;
}

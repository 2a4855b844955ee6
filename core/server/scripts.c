/* scripts.c - a directory or file of scripts becomes a generation: its registrations and its Lua state. */
#include "server/scripts.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "server/module.h"

int
hs_scripts_find(const char *path, struct hs_scripts_place *place)
{
    struct stat st;

    if (stat(path, &st) != 0) {
        return errno;
    }
    if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode)) {
        return EINVAL;
    }
    char *copy = strdup(path);
    *place = (struct hs_scripts_place){ .path = strdup(path), .is_dir = S_ISDIR(st.st_mode) };
    if (copy != NULL) {
        place->dir = strdup(place->is_dir ? path : dirname(copy));
    }
    free(copy);
    if (place->path == NULL || place->dir == NULL) {
        hs_scripts_place_fini(place);
        return ENOMEM;
    }
    return 0;
}

void
hs_scripts_place_fini(struct hs_scripts_place *place)
{
    free(place->path);
    free(place->dir);
    *place = (struct hs_scripts_place){ .path = NULL };
}

char *
hs_scripts_config(const struct hs_scripts_place *place)
{
    char *path;

    if (!place->is_dir) {
        errno = ENOENT;
        return NULL;
    }
    if (asprintf(&path, "%s/config.lua", place->dir) < 0) {
        errno = ENOMEM;
        return NULL;
    }
    return path;
}

static int
load_c_handlers(const struct hs_scripts_options *o, struct hs_generation *g, hs_lua_problem_func *problem, void *arg)
{
    struct hs_generation *before = hs_generation_building();
    char why[HS_MODULE_WHY];
    int err = 0;

    hs_generation_set_building(g);
    if (o->on_load != NULL) {
        err = o->on_load(o->on_load_arg);
    }
    for (size_t i = 0; o->modules != NULL && i < o->modules->n && err == 0; i++) {
        err = hs_module_load(o->modules->items[i], o->id, o->phase == HS_LUA_CHECK, why, sizeof why);
        if (err != 0 && problem != NULL) {
            problem(arg, HS_LUA_PROBLEM_LOAD, why);
        }
    }
    hs_generation_set_building(before);
    return err;
}

static int
load_lua(const struct hs_scripts_options *o, const struct hs_scripts_place *place, hs_lua_problem_func *problem, hs_lua_done_func *done,
         void *arg, struct hs_scripts *s)
{
    struct hs_lua_options lua = {
        .loop = o->loop,
        .env = o->env,
        .generation = s->generation,
        .dir = place->dir,
        .phase = o->phase,
        .dev = o->dev,
        .memory = o->memory,
        .load_timeout = o->load_timeout,
        .unload_timeout = o->unload_timeout,
    };

    int err = hs_lua_runtime_new(&lua, &s->runtime);
    if (err != 0) {
        s->runtime = NULL;
        return err;
    }
    return place->is_dir ? hs_lua_runtime_load_dir(s->runtime, place->path, problem, done, arg)
                         : hs_lua_runtime_load_file(s->runtime, place->path, problem, done, arg);
}

int
hs_scripts_load(const struct hs_scripts_options *options, const struct hs_scripts_place *place, hs_lua_problem_func *problem,
                hs_lua_done_func *done, void *arg, struct hs_scripts *out)
{
    *out = (struct hs_scripts){ .generation = NULL };
    int err = hs_generation_new(options->id, &out->generation);
    if (err != 0) {
        return err;
    }
    err = load_c_handlers(options, out->generation, problem, arg);
    if (err == 0 && place != NULL) {
        err = load_lua(options, place, problem, done, arg, out);
    }
    if (err != 0) {
        hs_scripts_drop(out, true);
    }
    return err;
}

void
hs_scripts_drop(struct hs_scripts *s, bool at_once)
{
    if (s->runtime != NULL && at_once) {
        hs_lua_runtime_close(s->runtime);
    }
    if (s->generation != NULL) {
        hs_generation_delref(s->generation);
    }
    *s = (struct hs_scripts){ .generation = NULL };
}
